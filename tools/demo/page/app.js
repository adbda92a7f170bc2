// The page: what somebody gives it goes to the worker, what the worker answers is shown.

const find = (id) => document.getElementById(id);
const stage = find("stage"), picture = find("picture"), mask = find("mask"), video = find("video"), crosshair = find("crosshair");
const opacity = find("opacity");
let card = null, shown = null, name = "picture", stream = null, example = 0, begun = false;

// ---- the worker

const waiting = new Map();
let count = 0;
const take = (id) => {
  const text = find(id).textContent;
  find(id).remove();
  return text;
};
const worker = new Worker(URL.createObjectURL(new Blob([take("worker")], { type: "text/javascript" })));
worker.onmessage = ({ data: { id, result, error } }) => {
  const { resolve, reject } = waiting.get(id);
  waiting.delete(id);
  if (error) reject(new Error(error));
  else resolve(result);
};
worker.onerror = (event) => say(`The model cannot run here: ${event.message || "the browser stopped it"}. Try a current `
  + "Firefox, Chrome, Edge or Safari.", true);
const ask = (task, rest = {}, moved = []) => new Promise((resolve, reject) => {
  waiting.set(++count, { resolve, reject });
  worker.postMessage({ id: count, task, ...rest }, moved);
});

function say(text, wrong = false) {
  find("status").textContent = text;
  find("status").classList.toggle("error", wrong);
}

// ---- the model

async function open(promise) {
  const { card: found, bytes } = await promise;
  card = found;
  find("card").textContent = `${card.model || "A model"}, ${(bytes / 1e6).toFixed(1)} MB. It sees ${card.size} × ${card.size} `
    + `pixels and was taught ${card.names.length} classes: ${card.names.join(", ")}.`;
}

async function otherModel(file) {
  say(`Opening ${file.name} …`);
  try {
    if (file.size > 500e6) throw new Error("This file has more than 500 MB: it is no model of the course.");
    const bytes = new Uint8Array(await file.arrayBuffer());
    await open(ask("model", { bytes }, [bytes.buffer]));
    say(`${file.name} is the model now.`);
  } catch (error) {
    return say(`${file.name}: ${error.message}`, true);
  }
  if (shown && shown.blob) await see(shown.blob, name);
}

// ---- a picture

async function see(blob, called) {
  stopCamera();
  begun = true;
  say(`Looking at ${called} …`);
  try {
    const answer = await ask("see", { blob });
    name = called;
    show({ ...answer, blob });
    say(`${called}, ${answer.width} × ${answer.height} pixels: ${inWords(answer.shares)}.`);
  } catch (error) {
    say(`${called}: ${error.message}`, true);
  }
}

const percent = (share) => (share > 0 && share < 0.01 ? "under 1\u00a0%" : `${Math.round(100 * share)}\u00a0%`);
const byShare = (shares) => shares.map((share, index) => [share, index]).filter(([share]) => share).sort((a, b) => b[0] - a[0]);
const inWords = (shares) => byShare(shares).map(([share, index]) => `${card.names[index]} ${percent(share)}`).join(", ");

function show(answer) {
  shown = answer;
  const { picture: bitmap, small } = answer;
  for (const canvas of [picture, mask]) [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
  picture.getContext("2d").drawImage(bitmap, 0, 0);
  stage.style.width = `min(100%, ${(75 * bitmap.width) / bitmap.height}vh, ${Math.max(bitmap.width, 400)}px)`;
  const painted = new ImageData(bitmap.width, bitmap.height), pixels = new Uint32Array(painted.data.buffer);
  const colours = card.palette.map(([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0);
  colours[0] = 0; // background is left as it is
  for (let i = 0; i < small.length; i++) pixels[i] = colours[small[i]];
  mask.getContext("2d").putImageData(painted, 0, 0);
  find("names").replaceChildren(...nameTags(small, bitmap.width, bitmap.height));
  const rows = byShare(answer.shares).map(([share, index]) => {
    const row = document.createElement("tr"), head = document.createElement("th"), swatch = document.createElement("span");
    head.scope = "row";
    swatch.className = "swatch";
    swatch.style.background = `rgb(${card.palette[index].join(" ")})`;
    head.append(swatch, card.names[index]);
    const cell = document.createElement("td");
    cell.textContent = percent(share);
    row.append(head, cell);
    return row;
  });
  find("shares").replaceChildren(...rows);
  const absent = card.names.filter((_, index) => !answer.shares[index]);
  find("absent").textContent = absent.length ? `Not found: ${absent.join(", ")}.` : "";
  find("time").textContent = `${Math.round(answer.model)} ms in the model, ${Math.round(answer.all)} ms with everything around it.`;
  stage.hidden = find("result").hidden = false;
  point(null);
}

// The name of each class on its region, at the pixel nearest to its middle; the very small ones have no room for it.
function nameTags(labels, width, height) {
  const sums = card.names.map(() => [0, 0, 0]), best = new Map();
  for (let i = 0; i < labels.length; i++) {
    const sum = sums[labels[i]];
    sum[0]++;
    sum[1] += i % width;
    sum[2] += Math.floor(i / width);
  }
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i], [total, x, y] = sums[label];
    if (!label || total < 0.01 * labels.length) continue;
    const away = (i % width - x / total) ** 2 + (Math.floor(i / width) - y / total) ** 2;
    if (!best.has(label) || away < best.get(label).away) best.set(label, { away, i });
  }
  return [...best].map(([label, { i }]) => {
    const tag = document.createElement("span");
    tag.textContent = card.names[label];
    tag.style.left = `${(100 * (i % width + 0.5)) / width}%`;
    tag.style.top = `${(100 * (Math.floor(i / width) + 0.5)) / height}%`;
    return tag;
  });
}

// ---- one pixel

let cross = null; // { x, y }, shares of width and height

function point(place) {
  cross = place;
  crosshair.hidden = !place;
  if (!place) {
    find("pixel").textContent = "Point at a pixel, or move the crosshair with the arrow keys, to read its class.";
    return;
  }
  crosshair.style.left = `${100 * place.x}%`;
  crosshair.style.top = `${100 * place.y}%`;
  const { data, shape: [height, width], size } = shown.logits;
  const x = between(place.x * width - 0.5, width), y = between(place.y * height - 0.5, height);
  const logits = card.names.map((_, c) => {
    const at = (row, column) => data[(c * size + row) * size + column];
    const upper = at(y.low, x.low) * (1 - x.share) + at(y.low, x.next) * x.share;
    const lower = at(y.next, x.low) * (1 - x.share) + at(y.next, x.next) * x.share;
    return upper * (1 - y.share) + lower * y.share;
  });
  const largest = Math.max(...logits), powers = logits.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((total, value) => total + value, 0);
  const [[first, label], [second, other]] = powers.map((value, index) => [value / sum, index]).sort((a, b) => b[0] - a[0]);
  const pixel = [Math.floor(place.x * shown.width), Math.floor(place.y * shown.height)];
  find("pixel").textContent = `Pixel ${pixel.join(", ")}: ${card.names[label]}, probability ${percent(first)}; next ${card.names[other]}, `
    + `${percent(second)}.`;
}

function between(place, count) {
  const inside = Math.min(Math.max(place, 0), count - 1), low = Math.min(Math.floor(inside), count - 1);
  return { low, next: Math.min(low + 1, count - 1), share: inside - low };
}

const clamp = (value) => Math.min(Math.max(value, 0), 0.9999);
function follow(event) {
  if (!shown || stream) return;
  const box = picture.getBoundingClientRect();
  point({ x: clamp((event.clientX - box.left) / box.width), y: clamp((event.clientY - box.top) / box.height) });
}
stage.addEventListener("pointermove", follow);
stage.addEventListener("pointerdown", follow);
stage.addEventListener("keydown", (event) => {
  const [right, down] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] || [0, 0];
  if (!shown || stream || (!right && !down)) return;
  event.preventDefault();
  const step = event.shiftKey ? 0.1 : 0.01, from = cross || { x: 0.5, y: 0.5 };
  point({ x: clamp(from.x + right * step), y: clamp(from.y + down * step) });
});

// ---- what people do

opacity.addEventListener("input", () => {
  mask.style.opacity = opacity.value / 100;
  find("percent").textContent = `${opacity.value} %`;
});
opacity.dispatchEvent(new Event("input"));

const isModel = (file) => /\.(onnx|pt2?|safetensors)$/i.test(file.name);
const given = (file) => file && (isModel(file) ? otherModel(file) : see(file, file.name || "the pasted picture"));
for (const input of [find("choose"), find("other")]) {
  input.addEventListener("change", () => {
    const [file] = input.files;
    input.value = "";
    if (input.id === "other" && file) otherModel(file);
    else given(file);
  });
}
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
for (const end of ["dragleave", "drop"]) document.addEventListener(end, () => document.body.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  const [file] = event.dataTransfer.files;
  if (file) given(file);
  else say("Drop a file: what you dropped is only an address. Save the picture first, or copy it and paste it here.", true);
});
document.addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  if (file) given(file);
  else say("There is no picture on the clipboard. Copy one, not its address, then paste again.", true);
});

const examples = JSON.parse(take("examples"));
function showExample() {
  const bytes = Uint8Array.from(atob(examples[example % examples.length]), (letter) => letter.charCodeAt(0));
  example++;
  return see(new Blob([bytes], { type: "image/jpeg" }), `example-${((example - 1) % examples.length) + 1}.jpg`);
}
find("example").addEventListener("click", showExample);

async function save(task, ending, rest) {
  try {
    const { blob } = await ask(task, rest), link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${name.replace(/\.\w+$/, "")}${ending}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    say(`${link.download} is saved with your downloads.`);
  } catch (error) {
    say(`The file could not be made: ${error.message}`, true);
  }
}
find("save-mask").addEventListener("click", () => save("mask", "-mask.png"));
find("save-overlay").addEventListener("click", () => save("overlay", "-overlay.jpg", { opacity: opacity.value / 100 }));

// ---- the camera

find("camera").addEventListener("click", () => (stream ? keepFrame() : startCamera()));

async function startCamera() {
  begun = true;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } });
  } catch (error) {
    const why = { NotAllowedError: "it was not allowed", NotFoundError: "there is none" }[error.name] || "the browser keeps it";
    return say(`The camera cannot be used: ${why}. Choose a picture instead.`, true);
  }
  video.srcObject = stream;
  await video.play();
  find("camera").textContent = "Stop, keep this picture";
  find("camera").setAttribute("aria-pressed", "true");
  say("The camera is on. What it sees stays on your device.");
  name = "camera.jpg";
  while (stream) {
    try {
      const frame = await createImageBitmap(video);
      const answer = await ask("see", { frame }, [frame]);
      if (stream) show(answer);
    } catch (error) {
      stopCamera();
      say(`The camera stopped: ${error.message}`, true);
    }
  }
}

function keepFrame() {
  stopCamera();
  if (shown) say(`The camera is off. In its last picture: ${inWords(shown.shares)}.`);
}

function stopCamera() {
  if (!stream) return;
  for (const track of stream.getTracks()) track.stop();
  stream = video.srcObject = null;
  find("camera").textContent = "Use the camera";
  find("camera").setAttribute("aria-pressed", "false");
}

// ---- start

try {
  await open(ask("start", { code: take("runtime"), wasm: take("wasm"), model: take("model") }));
  find("example").hidden = !examples.length;
  if (!begun && examples.length) await showExample();
  else if (!begun) say("The model is ready.");
} catch (error) {
  say(`The model cannot run here: ${error.message} Try a current Firefox, Chrome, Edge or Safari.`, true);
}
document.documentElement.dataset.ready = "true";

// The worker: it holds the model and the last picture, so that the page stays quick while it computes.
// What stands before it in this script: fzstd, files.js, pixels.js.

const MOST_PIXELS = 16_000_000; // of a canvas: more is too much for some phones; a larger picture is shrunk first
const MOST_OF_A_FILE = 100_000_000; // pixels, as in Python
const VIEW = 1600; // pixels of the longer side on the screen
let ort, session, card;
let last = null; // { source, height, width, labels }: the picture on the screen

const tasks = {
  async start({ code, wasm, model }) {
    const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    ort = await import(address);
    URL.revokeObjectURL(address);
    ort.env.wasm.wasmBinary = fzstd.decompress(fromBase85(wasm));
    ort.env.wasm.numThreads = 1; // more need a server that isolates the page
    const shuffled = await pipe(fromBase85(model), new DecompressionStream("gzip"));
    const bytes = new Uint8Array(shuffled.length), half = Math.ceil(bytes.length / 2);
    for (let i = 0; i < bytes.length; i++) bytes[i] = shuffled[(i & 1 ? half : 0) + (i >> 1)];
    return tasks.model({ bytes });
  },

  // Another model takes over only when it has answered once.
  async model({ bytes }) {
    let newCard, newSession;
    try {
      newCard = cardOf(bytes);
      newSession = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
      const { size, names } = newCard;
      const empty = new ort.Tensor("float32", new Float32Array(3 * size * size), [1, 3, size, size]);
      const { logits } = await newSession.run({ image: empty });
      if (String(logits.dims) !== String([1, names.length, size, size])) throw new Error("its logits have another shape");
    } catch (error) {
      const reason = String((error && error.message) || error).split("\n")[0].slice(0, 120);
      throw new Error(`This is no model.onnx that notebook 5 wrote (${reason}). Export it again there.`);
    }
    if (session) session.release();
    [session, card] = [newSession, newCard];
    return { card, bytes: bytes.length };
  },

  // A picture, as a file or as a frame of the camera.
  async see({ blob, frame }) {
    const start = performance.now();
    const bitmap = frame || (await decode(blob));
    const { height, width } = bitmap;
    const { pixels, shape } = readOut(bitmap);
    const inner = fitted(height, width, card.size);
    const input = toInput(resize(pixels, ...shape, ...inner), ...inner, card);
    const asked = performance.now();
    const size = card.size, tensor = new ort.Tensor("float32", input, [1, 3, size, size]);
    const { logits } = await session.run({ image: tensor });
    const answered = performance.now();
    const classes = card.names.length;
    const labels = enlarge(logits.data, classes, size, inner, [height, width]);
    const counts = new Array(classes).fill(0);
    for (let i = 0; i < labels.length; i++) counts[labels[i]]++;
    const [viewHeight, viewWidth] = fitted(height, width, Math.min(VIEW, Math.max(height, width)));
    const view = new OffscreenCanvas(viewWidth, viewHeight);
    onWhite(view, bitmap);
    if (last && last.bitmap) last.bitmap.close();
    last = { height, width, labels, ...(frame ? { bitmap } : { blob }) };
    if (!frame) bitmap.close();
    const small = shrink(labels, height, width, viewHeight, viewWidth);
    return { height, width, small, picture: view.transferToImageBitmap(), shares: counts.map((one) => one / labels.length),
      logits: { data: new Float32Array(logits.data), shape: inner, size },
      model: answered - asked, all: performance.now() - start };
  },

  async mask() {
    return { blob: await maskPng(last.labels, last.height, last.width, card.palette) };
  },

  async overlay({ opacity }) {
    const bitmap = last.bitmap || (await decode(last.blob));
    const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (last.height * last.width)));
    const height = Math.floor(last.height * scale), width = Math.floor(last.width * scale);
    const canvas = new OffscreenCanvas(width, height), context = onWhite(canvas, bitmap);
    const image = context.getImageData(0, 0, width, height), pixels = image.data;
    const labels = scale < 1 ? shrink(last.labels, last.height, last.width, height, width) : last.labels;
    for (let i = 0; i < labels.length; i++) {
      if (!labels[i]) continue;
      for (let c = 0; c < 3; c++) {
        pixels[4 * i + c] = (1 - opacity) * pixels[4 * i + c] + opacity * card.palette[labels[i]][c];
      }
    }
    context.putImageData(image, 0, 0);
    return { blob: await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 }) };
  },
};

// Upright, as its EXIF data say; its colours as they are in the file, as Python reads them.
async function decode(blob) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob, { imageOrientation: "from-image", colorSpaceConversion: "none" });
  } catch {
    throw new Error(`This is no picture that a browser can show, but ${await kindOf(blob)}. Take another, or save it as `
      + "JPEG with a program that opens it.");
  }
  if (bitmap.width * bitmap.height > MOST_OF_A_FILE) {
    bitmap.close();
    throw new Error("This picture has more than 100 million pixels. Save it smaller, then try again.");
  }
  return bitmap;
}

function onWhite(canvas, bitmap) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return context;
}

function readOut(bitmap) {
  const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (bitmap.height * bitmap.width)));
  const canvas = new OffscreenCanvas(Math.ceil(bitmap.width * scale), Math.ceil(bitmap.height * scale));
  const pixels = onWhite(canvas, bitmap).getImageData(0, 0, canvas.width, canvas.height).data;
  return { pixels, shape: [canvas.height, canvas.width] };
}

// The label of the pixel in the middle of each new one.
function shrink(labels, height, width, newHeight, newWidth) {
  const small = new Uint8Array(newHeight * newWidth);
  for (let y = 0, to = 0; y < newHeight; y++) {
    const row = Math.floor(((y + 0.5) * height) / newHeight) * width;
    for (let x = 0; x < newWidth; x++) small[to++] = labels[row + Math.floor(((x + 0.5) * width) / newWidth)];
  }
  return small;
}

let queue = Promise.resolve(); // one task after the other
onmessage = ({ data }) => {
  queue = queue.then(async () => {
    try {
      const result = await tasks[data.task](data);
      postMessage({ id: data.id, result }, [result.picture, result.small && result.small.buffer].filter(Boolean));
    } catch (error) {
      postMessage({ id: data.id, error: (error && error.message) || String(error) });
    }
  });
};

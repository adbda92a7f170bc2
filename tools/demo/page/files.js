// Files: what somebody has dropped, the card in an ONNX file, a mask as a PNG with a palette.

const OTHERS = [
  ["%PDF", "a PDF"], ["<svg", "an SVG drawing"], ["<?xml", "an SVG drawing or other text"], ["<!DOC", "a web page"],
  ["<html", "a web page"], ["PK\x03\x04", "a zip archive or an office document"],
];

// What a file is that the browser cannot show as a picture, in words.
async function kindOf(blob) {
  const start = String.fromCharCode(...new Uint8Array(await blob.slice(0, 16).arrayBuffer()));
  if (!start) return "an empty file";
  if (start.slice(4, 8) === "ftyp") {
    return /[hm]/.test(start[8]) ? "HEIC (as iPhones save photographs) or a video" : "a video or an AVIF picture";
  }
  const found = OTHERS.find(([beginning]) => start.startsWith(beginning));
  if (found) return found[1];
  return /^(\xff\xd8|\x89PNG|GIF8|RIFF|BM)/.test(start) ? "a damaged one" : "something else";
}

// The metadata of an ONNX file, as an object of texts: field 14 of its outermost message, pairs of key and value.
function onnxMetadata(bytes) {
  const text = new TextDecoder(), found = {};
  const fields = function* (from, to) {
    let at = from;
    const number = () => {
      let value = 0, factor = 1;
      for (;;) {
        if (at >= to) throw new Error("it ends too early");
        const byte = bytes[at++];
        value += (byte & 127) * factor;
        if (byte < 128) return value;
        factor *= 128;
      }
    };
    while (at < to) {
      const tag = number(), kind = tag % 8, field = Math.floor(tag / 8);
      if (kind === 0) number();
      else if (kind === 1) at += 8;
      else if (kind === 5) at += 4;
      else if (kind === 2) {
        const length = number();
        if (at + length > to) throw new Error("it ends too early");
        yield { field, from: at, to: at + length };
        at += length;
      } else throw new Error("it is no ONNX file");
    }
  };
  for (const entry of fields(0, bytes.length)) {
    if (entry.field !== 14) continue;
    const pair = {};
    for (const part of fields(entry.from, entry.to)) pair[part.field] = text.decode(bytes.subarray(part.from, part.to));
    found[pair[1]] = pair[2];
  }
  return found;
}

// What the page has to know of a model, from its metadata; an Error says what is missing.
function cardOf(bytes) {
  const found = onnxMetadata(bytes);
  if (!found.class_names || !found.palette || !found.preprocessing) {
    throw new Error("it has no class names, palette and preprocessing in it");
  }
  const card = { names: JSON.parse(found.class_names), palette: JSON.parse(found.palette), model: found.model,
    ...JSON.parse(found.preprocessing) };
  const isText = (one) => typeof one === "string", isByte = (one) => Number.isInteger(one) && one >= 0 && one < 256;
  const isTriple = (one) => Array.isArray(one) && one.length === 3;
  if (!(Array.isArray(card.names) && card.names.length > 1 && card.names.length < 256 && card.names.every(isText)
      && Array.isArray(card.palette) && card.palette.length === card.names.length
      && card.palette.every((colour) => isTriple(colour) && colour.every(isByte))
      && Number.isInteger(card.size) && card.size >= 32 && card.size <= 2048
      && [card.mean, card.std].every((one) => isTriple(one) && one.every(Number.isFinite)))) {
    throw new Error("its class names, palette or preprocessing make no sense");
  }
  return card;
}

const CRC = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let k = 0; k < 8; k++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

// A label map as a PNG whose pixels are class indices, in the colours of the palette: as Pascal VOC keeps its masks.
async function maskPng(labels, height, width, palette) {
  const chunk = (type, data) => {
    const all = new Uint8Array(data.length + 12), view = new DataView(all.buffer);
    view.setUint32(0, data.length);
    all.set([...type].map((letter) => letter.charCodeAt(0)), 4);
    all.set(data, 8);
    let crc = ~0;
    for (let i = 4; i < data.length + 8; i++) crc = CRC[(crc ^ all[i]) & 255] ^ (crc >>> 8);
    view.setUint32(data.length + 8, ~crc >>> 0);
    return all;
  };
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8); // bits
  header.setUint8(9, 3); // palette
  const colours = new Uint8Array(768);
  palette.forEach((colour, index) => colours.set(colour, 3 * index));
  const rows = new Uint8Array(height * (width + 1)); // each begins with a 0: not filtered
  for (let y = 0; y < height; y++) rows.set(labels.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const packed = await pipe(rows, new CompressionStream("deflate"));
  return new Blob([new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]), chunk("IHDR", new Uint8Array(header.buffer)),
    chunk("PLTE", colours), chunk("IDAT", packed), chunk("IEND", new Uint8Array())], { type: "image/png" });
}

async function pipe(bytes, stream) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

// Python's base 85 with a comma for its <: four bytes in five letters, the last ones as far as they are there.
const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;,=>?@^_`{|}~";

function fromBase85(short) {
  const missing = (5 - (short.length % 5)) % 5, text = short + "~".repeat(missing);
  const value = new Uint8Array(128), bytes = new Uint8Array((text.length / 5) * 4), view = new DataView(bytes.buffer);
  [...LETTERS].forEach((letter, index) => (value[letter.charCodeAt(0)] = index));
  for (let from = 0, to = 0; from < text.length; from += 5, to += 4) {
    let number = 0;
    for (let i = 0; i < 5; i++) number = number * 85 + value[text.charCodeAt(from + i)];
    view.setUint32(to, number);
  }
  return bytes.slice(0, bytes.length - missing);
}

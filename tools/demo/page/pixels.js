// From pixels to the model's input and from its logits to a label map: what helpers/transforms.py and
// helpers/photographs.py do, step by step, so that page and Python give the same labels.

// Height and width that a picture has when its longer side is fitted into `size` pixels.
function fitted(height, width, size) {
  const longer = Math.max(height, width);
  return [height, width].map((side) => Math.max(1, halfEven((size * side) / longer)));
}

// Python's round: a half goes to the even neighbour.
function halfEven(value) {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}

// torch's weights for resizing bytes, bilinear with antialiasing: whole numbers, as its kernel for uint8 has them.
function weightsFor(from, to) {
  const scale = from / to;
  const support = Math.max(scale, 1);
  const rows = [];
  let largest = 0;
  for (let i = 0; i < to; i++) {
    const center = scale * (i + 0.5);
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    const count = Math.min(Math.trunc(center + support + 0.5), from) - start;
    const values = Array.from({ length: count }, (_, j) => Math.max(0, 1 - Math.abs((j + start - center + 0.5) / support)));
    const total = values.reduce((sum, value) => sum + value, 0);
    rows.push({ start, values: values.map((value) => value / total) });
    for (const value of values) largest = Math.max(largest, value / total);
  }
  let precision = 0;
  while (precision < 22 && Math.trunc(0.5 + largest * 2 ** (precision + 1)) < 2 ** 15) precision++;
  for (const row of rows) row.values = Int32Array.from(row.values, (value) => Math.trunc(0.5 + value * 2 ** precision));
  return { rows, precision };
}

// RGBA bytes of width x height to RGB bytes of newWidth x newHeight: along the rows first, then along the columns.
function resize(rgba, height, width, newHeight, newWidth) {
  const wide = new Uint8Array(height * newWidth * 3);
  const across = weightsFor(width, newWidth), shift = across.precision, half = 1 << (shift - 1);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < newWidth; x++, to += 3) {
      const { start, values } = across.rows[x];
      let at = (y * width + start) * 4;
      if (width === newWidth) {
        wide.set(rgba.subarray(at, at + 3), to);
        continue;
      }
      let red = half, green = half, blue = half;
      for (let k = 0; k < values.length; k++, at += 4) {
        red += values[k] * rgba[at];
        green += values[k] * rgba[at + 1];
        blue += values[k] * rgba[at + 2];
      }
      wide[to] = Math.min(255, red >> shift);
      wide[to + 1] = Math.min(255, green >> shift);
      wide[to + 2] = Math.min(255, blue >> shift);
    }
  }
  if (height === newHeight) return wide;
  const result = new Uint8Array(newHeight * newWidth * 3), line = newWidth * 3;
  const down = weightsFor(height, newHeight), sums = new Int32Array(line);
  for (let y = 0; y < newHeight; y++) {
    const { start, values } = down.rows[y];
    sums.fill(1 << (down.precision - 1));
    for (let k = 0; k < values.length; k++) {
      for (let i = 0, at = (start + k) * line; i < line; i++) sums[i] += values[k] * wide[at + i];
    }
    for (let i = 0; i < line; i++) result[y * line + i] = Math.min(255, sums[i] >> down.precision);
  }
  return result;
}

// RGB bytes to Float32[3, size, size]: normalised, at the top left, the rest the mean colour in bytes, as in training.
function toInput(rgb, height, width, { size, mean, std }) {
  const input = new Float32Array(3 * size * size);
  for (let channel = 0; channel < 3; channel++) {
    const table = Float32Array.from({ length: 256 }, (_, value) =>
      Math.fround(Math.fround(value / 255) - Math.fround(mean[channel])) / Math.fround(std[channel]));
    const plane = input.subarray(channel * size * size, (channel + 1) * size * size);
    plane.fill(table[halfEven(255 * mean[channel])]);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) plane[y * size + x] = table[rgb[(y * width + x) * 3 + channel]];
    }
  }
  return input;
}

// Where each of `to` places lies between two of `from`: torch's bilinear interpolation without corners aligned.
function places(from, to) {
  const low = new Int32Array(to), share = new Float32Array(to);
  for (let i = 0; i < to; i++) {
    const place = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    low[i] = Math.min(Math.trunc(place), from - 1);
    share[i] = place - low[i];
  }
  return { low, share };
}

// The class of each pixel of a picture of newHeight x newWidth: the logits are enlarged, then the largest wins.
// `logits` is Float32[classes, size, size], of which the upper left height x width is the picture. Two rows of logits
// at a time: where both name the same class, so do all the rows between them.
function enlarge(logits, classes, size, [height, width], [newHeight, newWidth]) {
  const labels = new Uint8Array(newHeight * newWidth);
  const across = places(width, newWidth), down = places(height, newHeight);
  const wideRow = (row) => {
    const wide = new Float32Array(classes * newWidth), names = new Uint8Array(newWidth);
    for (let x = 0; x < newWidth; x++) {
      const low = across.low[x], next = Math.min(low + 1, width - 1), share = across.share[x];
      let best = -Infinity;
      for (let c = 0; c < classes; c++) {
        const at = (c * size + row) * size;
        const value = Math.fround(logits[at + low] * (1 - share) + logits[at + next] * share);
        wide[c * newWidth + x] = value;
        if (value > best) [best, names[x]] = [value, c];
      }
    }
    return { wide, names };
  };
  let row = 0, above = wideRow(0), below = height > 1 ? wideRow(1) : above;
  for (let y = 0; y < newHeight; y++) {
    while (row < down.low[y]) {
      row++;
      above = below;
      below = row + 1 < height ? wideRow(row + 1) : above;
    }
    const share = down.share[y], to = y * newWidth;
    labels.set(above.names, to);
    for (let x = 0; x < newWidth; x++) {
      if (above.names[x] === below.names[x]) continue;
      let best = -Infinity;
      for (let c = 0, at = x; c < classes; c++, at += newWidth) {
        const value = above.wide[at] + share * (below.wide[at] - above.wide[at]);
        if (value > best) [best, labels[to + x]] = [value, c];
      }
    }
  }
  return labels;
}

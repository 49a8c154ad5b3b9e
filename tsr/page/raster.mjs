// A part of a plane -> pixels, at most as many as the screen has, whatever the size of the tensor.
//
// Where a pixel stands for many elements, it shows the mean of some of them, evenly spread; any that
// is no number shows through, for that is what people look for.

import { MARKED } from './colours.mjs';

const SAMPLES = 3; // an axis, for a pixel that stands for more elements

/**
 * Draw `part`, whole `rows` and `columns` from `top` and `left` on, in `width` × `height` pixels.
 *
 * Neither is more than there are columns and rows. `colours` has a `table` of 256 colours and the
 * numbers `low` and `high` that its ends stand for. Gives red, green, blue and alpha of each pixel.
 */
export function raster(plane, part, width, height, colours) {
  const pixels = new Uint8ClampedArray(4 * width * height);
  const columns = spans(part.left, part.columns, width);
  const rows = spans(part.top, part.rows, height);
  let at = 0;
  for (const row of rows) {
    for (const column of columns) {
      const value = sampled(plane, row, column);
      paint(pixels, at, value, colours);
      at += 4;
    }
  }
  if (width < part.columns || height < part.rows) paintStrange(pixels, plane, part, width, height, colours);
  return pixels;
}

/** Paint the pixels of elements that are no numbers: not all elements have been looked at. */
function paintStrange(pixels, { numbers: { values }, base, columns, strange }, part, width, height, colours) {
  for (const place of strange) {
    const [row, column] = [Math.floor((place - base) / columns) - part.top, (place - base) % columns - part.left];
    if (row < 0 || row >= part.rows || column < 0 || column >= part.columns) continue;
    const [down, right] = [pixelOf(row, part.rows, height), pixelOf(column, part.columns, width)];
    paint(pixels, 4 * (down * width + right), values[place], colours);
  }
}

/** The pixel that an element has its place in, as `spans` has it. */
function pixelOf(element, count, pixels) {
  return Math.ceil((element + 1) * pixels / count) - 1;
}

/** The colour of a number, as red, green and blue. */
export function colourOf(value, colours) {
  const pixel = [0, 0, 0, 0];
  paint(pixel, 0, value, colours);
  return pixel.slice(0, 3);
}

function paint(pixels, at, value, { table, low, high }) {
  pixels[at + 3] = 255;
  if (value - value !== 0) { // NaN or infinite
    const marked = Number.isNaN(value) ? MARKED.nan : value > 0 ? MARKED.positive : MARKED.negative;
    [pixels[at], pixels[at + 1], pixels[at + 2]] = marked;
    return;
  }
  const share = high > low ? (value - low) / (high - low) : 0.5;
  const step = 3 * Math.round(255 * Math.min(Math.max(share, 0), 1));
  pixels[at] = table[step];
  pixels[at + 1] = table[step + 1];
  pixels[at + 2] = table[step + 2];
}

/** For each of so many pixels in a line: the elements it stands for, from, to, and in which steps. */
function spans(first, count, pixels) {
  return Array.from({ length: pixels }, (_, pixel) => {
    const from = first + Math.floor(pixel * count / pixels);
    const to = first + Math.floor((pixel + 1) * count / pixels);
    return [from, to, Math.ceil((to - from) / SAMPLES)];
  });
}

function sampled({ numbers: { values }, base, columns: length }, [top, bottom, down], [left, right, across]) {
  let [sum, count] = [0, 0];
  for (let row = top; row < bottom; row += down) {
    const start = base + row * length;
    for (let column = left; column < right; column += across) {
      const value = values[start + column];
      if (value - value !== 0) return value;
      sum += value;
      count++;
    }
  }
  return sum / count;
}

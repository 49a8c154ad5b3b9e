// The colours of the heatmap -> a ramp with the numbers at its ends, and what marks no numbers.

import { MARKED } from './colours.mjs';
import { byId, element, grouped } from './dom.mjs';

const MARKS = [
  ['NaN', 'nan', 'nans'],
  ['+inf', 'positive', 'positiveInfinities'],
  ['-inf', 'negative', 'negativeInfinities'],
];

/** Show the legend; a `summary` tells how many elements are no numbers. */
export function showLegend({ table, low, high }, summary, dtype) {
  byId('legend').hidden = false;
  drawRamp(byId('ramp').getContext('2d'), table);
  const text = (number) => (Number.isNaN(number) ? '' : `${Number(number.toPrecision(4))}`);
  byId('low').textContent = text(low);
  byId('high').textContent = text(high);
  const marks = dtype.startsWith('float') ? MARKS : [];
  byId('marks').replaceChildren(...marks.map(([label, colour, counted]) => mark(label, MARKED[colour], summary[counted])));
}

export function hideLegend() {
  byId('legend').hidden = true;
}

function drawRamp(context, table) {
  const pixels = context.createImageData(256, 1);
  for (let at = 0; at < 256; at++) pixels.data.set([...table.subarray(3 * at, 3 * at + 3), 255], 4 * at);
  context.putImageData(pixels, 0, 0);
}

function mark(label, colour, count) {
  const swatch = element('span', { class: 'swatch' });
  swatch.style.backgroundColor = `rgb(${colour.join(' ')})`;
  const text = count ? `${label} (${grouped(count)})` : label;
  return element('span', { class: count ? 'mark' : 'mark absent' }, swatch, text);
}

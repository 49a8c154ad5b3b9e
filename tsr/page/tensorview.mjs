// One tensor: its facts, the heatmap with its sliders and its legend, statistics and histogram.

import { numberText } from '../js/numbers.mjs';
import { MARKED, diverging, sequential } from './colours.mjs';
import { byId, byteSize, element, grouped, shapeText } from './dom.mjs';
import { Heatmap } from './heatmap.mjs';
import { Histogram } from './histogram.mjs';
import { planeOf } from './planes.mjs';
import { Slices } from './slices.mjs';

const COUNTED = [['zeros', 'zeros'], ['nans', 'NaN'], ['positiveInfinities', '+inf'], ['negativeInfinities', '-inf']];
const SCALES = { sequential: sequential(), diverging: diverging() };

export class TensorView {
  constructor() {
    this.heatmap = new Heatmap(byId('heatmap'), {
      onElement: (place) => this.read(place),
      onView: () => this.sayZoom(),
    });
    this.histogram = new Histogram(byId('histogram'), byId('bin'));
    this.slices = new Slices(byId('slices'), () => this.showPlane());
    byId('zoom-in').addEventListener('click', () => this.heatmap.zoomIn());
    byId('zoom-out').addEventListener('click', () => this.heatmap.zoomOut());
    byId('zoom-fit').addEventListener('click', () => this.heatmap.fit());
    for (const id of ['range', 'colours']) byId(id).addEventListener('change', () => this.showPlane());
    byId('logarithmic').addEventListener('change', () => this.showHistogram());
  }

  /** Show a tensor, or none. */
  async show(tensor) {
    byId('tensor').hidden = !tensor;
    this.tensor = tensor;
    this.summary = undefined;
    if (!tensor) return;
    byId('tensor-title').textContent = tensor.file.tensors.length > 1 ? `${tensor.file.name} · tensor ${tensor.index}` : tensor.file.name;
    showFacts(tensor);
    this.slices.show(tensor);
    showSampling(tensor);
    this.heatmap.clear();
    this.histogram.show({ counts: [], edges: [] });
    byId('statistics').tBodies[0].replaceChildren();
    byId('marks').replaceChildren();
    if (!tensor.numbers) {
      this.sayNothing('The payload of this tensor does not inflate.');
      return;
    }
    const summary = await tensor.summary;
    if (this.tensor !== tensor) return; // another one was chosen meanwhile
    this.summary = summary;
    this.showStatistics();
    this.showHistogram();
    this.showPlane();
  }

  showPlane() {
    const { tensor, summary } = this;
    if (!summary) return;
    this.plane = summary.count ? planeOf(tensor, this.slices.outer) : undefined;
    this.colours = coloursOf(this.range, byId('colours').value);
    this.showLegend();
    if (!this.plane) {
      this.sayNothing(`No elements: a dimension of ${shapeText(tensor.shape)} is 0.`);
      return;
    }
    byId('nothing').hidden = true;
    byId('heatmap').hidden = false;
    const { rows, columns } = this.plane;
    byId('heatmap').setAttribute('aria-label', `Heatmap of ${grouped(rows)} rows and ${grouped(columns)} columns`);
    this.heatmap.show(this.plane, this.colours);
  }

  /** From which number to which the colours go. */
  get range() {
    const { minimum, maximum, low, high } = this.summary;
    const choice = byId('range').value;
    if (choice === 'robust') return [low, high];
    return choice === 'slice' && this.plane ? extremes(this.plane) : [minimum, maximum];
  }

  sayNothing(why) {
    byId('heatmap').hidden = true;
    byId('nothing').hidden = false;
    byId('nothing').textContent = why;
    for (const id of ['at', 'value', 'bits', 'zoom']) byId(id).textContent = '';
  }

  read({ row, column }) {
    const { numbers, base, columns, indexOf } = this.plane;
    const at = base + row * columns + column;
    byId('at').textContent = `[${indexOf(row, column).join(', ')}]`;
    byId('value').textContent = numbers.text(at);
    byId('bits').textContent = numbers.hex(at);
  }

  sayZoom() {
    const { view } = this.heatmap;
    if (!view) return;
    const [across] = view.cell;
    byId('zoom').textContent = across >= 1 ? `${across.toPrecision(2)} px per element` : `${Number((1 / across).toPrecision(2))} elements per px, their mean`;
  }

  showStatistics() {
    const { summary, tensor: { dtype, sample } } = this;
    const exact = (number) => (Number.isNaN(number) ? 'none' : numberText(number, dtype));
    const rounded = (number) => (Number.isNaN(number) ? 'none' : `${Number(number.toPrecision(9))}`);
    const rows = [
      ['count', 'count', grouped(summary.count), summary.count],
      ['minimum', 'min', exact(summary.minimum), summary.minimum],
      ['maximum', 'max', exact(summary.maximum), summary.maximum],
      ['mean', 'mean', rounded(summary.mean), summary.mean],
      ['deviation', 'std', rounded(summary.deviation), summary.deviation],
      ...COUNTED.map(([name, label]) => [name, label, share(summary[name], sample?.lookedAt ?? summary.count), summary[name]]),
    ].filter(([name]) => dtype.startsWith('float') || !/nans|Infinities/.test(name));
    byId('statistics').tBodies[0].replaceChildren(...rows.map(([name, label, text, value]) => (
      element('tr', { 'data-name': name, 'data-value': value }, element('th', { scope: 'row' }, label), element('td', {}, text))
    )));
  }

  showHistogram() {
    if (!this.summary) return;
    const short = (number) => `${Number(number.toPrecision(4))}`;
    this.histogram.show(this.summary.histogram, short, byId('logarithmic').checked);
  }

  showLegend() {
    const { table, low, high } = this.colours;
    const ramp = byId('ramp').getContext('2d');
    const pixels = ramp.createImageData(256, 1);
    for (let at = 0; at < 256; at++) pixels.data.set([...table.subarray(3 * at, 3 * at + 3), 255], 4 * at);
    ramp.putImageData(pixels, 0, 0);
    const text = (number) => (Number.isNaN(number) ? '' : `${Number(number.toPrecision(4))}`);
    byId('low').textContent = text(low);
    byId('high').textContent = text(high);
    const { nans, positiveInfinities, negativeInfinities } = this.summary;
    const marks = [['NaN', MARKED.nan, nans], ['+inf', MARKED.positive, positiveInfinities], ['-inf', MARKED.negative, negativeInfinities]];
    byId('marks').replaceChildren(...(this.tensor.dtype.startsWith('float') ? marks : []).map(([label, colour, count]) => {
      const swatch = element('span', { class: 'swatch' });
      swatch.style.backgroundColor = `rgb(${colour.join(' ')})`;
      return element('span', { class: count ? 'mark' : 'mark absent' }, swatch, count ? `${label} (${grouped(count)})` : label);
    }));
  }
}

/** The colours of a tensor, and the numbers that their ends stand for. */
function coloursOf([from, to], choice) {
  const around = choice === 'diverging' || (choice === 'auto' && from < 0 && to > 0);
  if (!around) return { table: SCALES.sequential, low: from, high: to };
  const far = Math.max(Math.abs(from), Math.abs(to));
  return { table: SCALES.diverging, low: -far, high: far };
}

/** The least and the greatest finite number of a plane. */
function extremes({ numbers: { values }, base, rows, columns }) {
  let [least, greatest] = [NaN, NaN];
  for (let at = base; at < base + rows * columns; at++) {
    const value = values[at];
    if (value - value !== 0) continue; // NaN or infinite
    if (!(value >= least)) least = value;
    if (!(value <= greatest)) greatest = value;
  }
  return [least, greatest];
}

function showFacts({ dtype, shape, count, size, offset, storedSize, crc32, rowStride, file }) {
  const facts = [
    ['dtype', dtype], ['shape', shapeText(shape)], ['elements', grouped(count)], ['size', byteSize(size)],
    ['offset', grouped(offset)],
    ['format', file.format === 'v1' ? 'TSR v1' : `TSR4 ${file.compressed ? 'zlib' : 'raw'}`],
  ];
  if (file.compressed) facts.push(['stored', byteSize(storedSize)]);
  if (crc32 !== undefined) facts.push(['CRC-32', `0x${crc32.toString(16).padStart(8, '0')}`], ['row stride', grouped(rowStride)]);
  byId('facts').replaceChildren(...facts.map(([name, value]) => (
    element('li', {}, element('span', { class: 'quiet' }, name), ' ', element('b', {}, value))
  )));
}

/** Of a file that is not in the page whole: what there is. */
function showSampling({ shape, grid, sample, count }) {
  byId('sampled').hidden = !sample;
  if (!sample) return;
  const { lookedAt } = sample;
  const steps = `every ${ordinal(grid.rowStep)}row and every ${ordinal(grid.columnStep)}column`;
  const planes = grid.planes.some((there, axis) => there < shape[axis]) ? ` of the first ${grid.planes.join(' × ')} matrices` : '';
  const looked = lookedAt < count ? `${grouped(lookedAt)} elements, spread evenly` : 'all elements';
  byId('sampled').textContent = `Sampled: this file is too large to be in the page. The picture has ${steps}${planes}; the statistics are of ${looked}.`;
}

function ordinal(step) {
  return ['', 'second ', 'third '][step - 1] ?? `${step}th `;
}

function share(part, count) {
  return part ? `${grouped(part)} (${Number((100 * part / count).toPrecision(3))} %)` : '0';
}

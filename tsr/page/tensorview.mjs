// One tensor: its facts, the heatmap with its sliders and its legend, statistics and histogram.

import { diverging, sequential } from './colours.mjs';
import { byId, grouped, shapeText } from './dom.mjs';
import { showFacts } from './facts.mjs';
import { Heatmap } from './heatmap.mjs';
import { Histogram } from './histogram.mjs';
import { hideLegend, showLegend } from './legend.mjs';
import { extremesOf, planeOf } from './planes.mjs';
import { Slices } from './slices.mjs';
import { showStatistics } from './statisticsview.mjs';

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
    this.work?.abort(); // of the tensor before
    const { signal } = this.work = new AbortController();
    byId('tensor').hidden = !tensor;
    this.tensor = tensor;
    this.summary = this.numbers = undefined;
    if (!tensor) return;
    showFacts(tensor);
    this.slices.show(tensor);
    this.clear();
    try {
      await this.showNumbers(tensor, signal);
    } catch (error) {
      // There is not always memory for what a tensor takes.
      if (!signal.aborted) this.sayNothing(`This tensor cannot be shown here (${error.name}: ${error.message}).`);
    }
  }

  async showNumbers(tensor, signal) {
    const numbers = await tensor.load(signal);
    if (signal.aborted) return; // another one was chosen meanwhile
    if (!numbers) {
      this.sayNothing('The payload of this tensor does not inflate.');
      return;
    }
    const summary = await tensor.summarize(numbers, signal);
    if (signal.aborted) return;
    Object.assign(this, { summary, numbers }); // the tensor may drop its numbers
    showStatistics(tensor, summary);
    this.showHistogram();
    this.showPlane();
  }

  /** Take away what is of another tensor. */
  clear() {
    this.heatmap.clear();
    this.histogram.show({ counts: [], edges: [] });
    hideLegend();
    byId('statistics').tBodies[0].replaceChildren();
  }

  showPlane() {
    const { tensor, summary, numbers } = this;
    if (!summary) return;
    const { shape, grid } = tensor;
    this.plane = summary.count ? planeOf({ shape, grid, numbers }, this.slices.outer) : undefined;
    const colours = coloursOf(this.range, byId('colours').value);
    showLegend(colours, summary, tensor.dtype);
    if (!this.plane) {
      this.sayNothing(`No elements: a dimension of ${shapeText(tensor.shape)} is 0.`);
      return;
    }
    byId('nothing').hidden = true;
    byId('heatmap').hidden = false;
    const { rows, columns } = this.plane;
    byId('heatmap').setAttribute('aria-label', `Heatmap of ${grouped(rows)} rows and ${grouped(columns)} columns`);
    this.heatmap.show(this.plane, colours);
  }

  /** From which number to which the colours go. */
  get range() {
    const { minimum, maximum, low, high } = this.summary;
    const choice = byId('range').value;
    if (choice === 'robust') return [low, high];
    return choice === 'slice' && this.plane ? extremesOf(this.plane) : [minimum, maximum];
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
    const said = (number) => Number(number.toPrecision(2));
    byId('zoom').textContent = across >= 1
      ? `${said(across)} px per element`
      : `${said(1 / across)} elements per px, the mean of some`;
  }

  showHistogram() {
    if (!this.summary) return;
    const short = (number) => `${Number(number.toPrecision(4))}`;
    this.histogram.show(this.summary.histogram, short, byId('logarithmic').checked);
  }
}

/** The colours for a range, and the numbers that their ends stand for. */
function coloursOf([from, to], choice) {
  const around = choice === 'diverging' || (choice === 'auto' && from < 0 && to > 0);
  if (!around) return { table: SCALES.sequential, low: from, high: to };
  const far = Math.max(Math.abs(from), Math.abs(to));
  return { table: SCALES.diverging, low: -far, high: far };
}

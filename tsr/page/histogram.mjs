// The histogram of a tensor as a drawing, whose bins the pointer and the arrow keys name.

import { graphic, grouped } from './dom.mjs';

const [WIDTH, HEIGHT] = [320, 110];

export class Histogram {
  /** `place` gets the drawing, `label` what is said of a bin. */
  constructor(place, label) {
    this.label = label;
    Object.assign(this, { bins: [], texts: [], whole: '' });
    this.drawing = graphic('svg', {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', class: 'histogram', tabindex: 0,
      role: 'slider', 'aria-label': 'Histogram: bin', 'aria-valuemin': 1,
    });
    place.append(this.drawing);
    this.drawing.addEventListener('pointermove', (event) => {
      const { left, width } = this.drawing.getBoundingClientRect();
      this.choose(Math.floor((event.clientX - left) / width * this.bins.length));
    });
    this.drawing.addEventListener('pointerleave', () => this.choose(undefined));
    this.drawing.addEventListener('keydown', (event) => this.press(event));
  }

  /** Show `counts` between `edges`; `text(number)` writes an edge. */
  show({ counts, edges }, text, logarithmic) {
    this.texts = counts.map((count, bin) => (
      `${text(edges[bin])} to ${text(edges[bin + 1])}: ${grouped(count)}`
    ));
    const bins = `${counts.length} ${counts.length === 1 ? 'bin' : 'bins'}`;
    this.whole = counts.length ? `${text(edges[0])} to ${text(edges.at(-1))} in ${bins}` : 'No finite values';
    const height = logarithmic ? (count) => Math.log1p(count) : (count) => count;
    const highest = height(Math.max(...counts, 1));
    const step = WIDTH / Math.max(counts.length, 1);
    this.bins = counts.map((count, bin) => {
      const tall = count ? Math.max(height(count) / highest * (HEIGHT - 4), 1.5) : 0;
      return graphic('rect', {
        x: bin * step + 0.08 * step, y: HEIGHT - tall, width: 0.84 * step, height: tall, class: 'bin',
      });
    });
    this.drawing.replaceChildren(...this.bins);
    this.drawing.setAttribute('aria-valuemax', Math.max(counts.length, 1));
    this.choose(undefined);
  }

  choose(bin) {
    this.bins[this.chosen]?.classList.remove('chosen');
    this.chosen = this.bins[bin] ? bin : undefined;
    const said = this.chosen === undefined ? this.whole : this.texts[bin];
    this.bins[this.chosen]?.classList.add('chosen');
    this.label.textContent = said;
    this.drawing.setAttribute('aria-valuenow', (this.chosen ?? 0) + 1);
    this.drawing.setAttribute('aria-valuetext', said);
  }

  press(event) {
    const last = this.bins.length - 1;
    const next = {
      ArrowRight: Math.min((this.chosen ?? -1) + 1, last), ArrowLeft: Math.max((this.chosen ?? 1) - 1, 0),
      Home: 0, End: last,
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.choose(next);
  }
}

// Sliders for the axes before the last two, which pick the plane that is shown.

import { element } from './dom.mjs';

export class Slices {
  constructor(place, onChange) {
    this.place = place;
    this.onChange = onChange;
    this.outer = [];
  }

  /** Have a slider for each axis with a choice; all begin at 0. */
  show({ shape, count, grid: { planes } }) {
    this.outer = planes.map(() => 0);
    this.place.replaceChildren(
      ...planes.flatMap((there, axis) => (there > 1 ? [this.slider(axis, there, shape[axis])] : [])),
      this.said = element('code', { class: 'quiet' }, this.text),
    );
    this.place.hidden = !count || !planes.some((there) => there > 1);
  }

  get text() {
    return `[${[...this.outer, ':', ':'].join(', ')}]`;
  }

  slider(axis, there, length) {
    const input = element('input', { type: 'range', min: 0, max: there - 1, value: 0, id: `axis-${axis}` });
    const output = element('output', { for: input.id }, `0 of ${length}`);
    input.addEventListener('input', () => {
      this.outer[axis] = Number(input.value);
      output.textContent = `${input.value} of ${length}`;
      this.said.textContent = this.text;
      this.onChange();
    });
    return element('div', { class: 'slice' }, element('label', { for: input.id }, `axis ${axis}`), input, output);
  }
}

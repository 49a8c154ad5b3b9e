// Sliders for the axes before the last two, which pick the plane that is shown.

import { element } from './dom.mjs';
import { outerAxes } from './planes.mjs';

export class Slices {
  constructor(place, onChange) {
    this.place = place;
    this.onChange = onChange;
    this.outer = [];
  }

  /** Have a slider for each outer axis that is longer than 1; all begin at 0. */
  show(shape) {
    const axes = outerAxes(shape);
    this.outer = axes.map(() => 0);
    this.place.replaceChildren(
      ...axes.flatMap((length, axis) => (length > 1 ? [this.slider(axis, length)] : [])),
      this.said = element('code', { class: 'quiet' }, this.text),
    );
    this.place.hidden = shape.length < 3;
  }

  get text() {
    return `[${[...this.outer, ':', ':'].join(', ')}]`;
  }

  slider(axis, length) {
    const input = element('input', { type: 'range', min: 0, max: length - 1, value: 0, id: `axis-${axis}` });
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

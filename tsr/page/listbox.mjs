// Options that the arrow keys go through, as the listbox of ARIA: the box has the focus, one option is
// active, and assistive technology is told which.

const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };

export class Listbox {
  /** `onActive(option)` is called when another option, an element, becomes active. */
  constructor(box, onActive) {
    this.box = box;
    this.onActive = onActive;
    this.options = [];
    box.addEventListener('keydown', (event) => this.press(event));
    box.addEventListener('click', (event) => this.point(event));
  }

  /** Have these options, elements within the box with an id; the active one stays if it is there. */
  set(options) {
    this.options = options;
    if (options.includes(this.active)) return;
    this.active = undefined;
    this.box.removeAttribute('aria-activedescendant');
  }

  activate(option) {
    if (!option || option === this.active) return;
    this.active?.setAttribute('aria-selected', 'false');
    this.active = option;
    option.setAttribute('aria-selected', 'true');
    this.box.setAttribute('aria-activedescendant', option.id);
    this.reveal(option);
    this.onActive(option);
  }

  /** Scroll the box, and not the page, so that an option is seen in it. */
  reveal(option) {
    const [inner, outer] = [option.getBoundingClientRect(), this.box.getBoundingClientRect()];
    this.box.scrollTop += Math.min(inner.top - outer.top, 0) + Math.max(inner.bottom - outer.bottom, 0);
    this.box.scrollLeft += Math.min(inner.left - outer.left, 0) + Math.max(inner.right - outer.right, 0);
  }

  point(event) {
    const option = event.target.closest('[role=option]');
    if (option && this.options.includes(option)) this.activate(option);
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = this.options.length - 1;
    const at = this.options.indexOf(this.active);
    const next = {
      Home: 0, End: last, PageDown: Math.min(at + 10, last), PageUp: Math.max(at - 10, 0),
    }[event.key] ?? (event.key in STEPS ? Math.min(Math.max(at + STEPS[event.key], 0), last) : undefined);
    if (next === undefined || last < 0) return;
    event.preventDefault();
    this.activate(this.options[next]);
    this.options[next].scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }
}

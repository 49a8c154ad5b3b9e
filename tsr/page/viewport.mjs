// The size of a plane and of a window -> which part of the plane is seen, and how large.
//
// Lengths are in CSS pixels, places in elements: `left` 2.5 means that the window begins in the middle
// of the third column. No DOM.

const CELL_MAX = 112; // pixels of an element that is zoomed in on as far as it goes
const FIT_MAX = 64; // and of one of a small tensor that is fitted into the window
const THICKNESS = 28; // a plane of few rows or columns is stretched to this, or to
const SHARE = 0.25; // so much of the window, whichever is less, so that they can be seen

export class Viewport {
  constructor(rows, columns, width, height) {
    Object.assign(this, { rows, columns, width, height, left: 0, top: 0 });
    this.fit();
  }

  /** Pixels of an element, across and down. */
  get cell() {
    return [
      Math.max(this.scale, Math.min(SHARE * this.width / this.columns, THICKNESS)),
      Math.max(this.scale, Math.min(SHARE * this.height / this.rows, THICKNESS)),
    ];
  }

  /** Where the plane begins in the window: behind its edge where all of it is seen. */
  get origin() {
    const [across, down] = this.cell;
    return [
      Math.max(0, (this.width - across * this.columns) / 2) - this.left * across,
      Math.max(0, (this.height - down * this.rows) / 2) - this.top * down,
    ];
  }

  get smallest() {
    return Math.min(this.width / this.columns, this.height / this.rows, FIT_MAX);
  }

  get fitted() {
    return this.scale <= this.smallest * 1.0001;
  }

  fit() {
    this.scale = this.smallest;
    this.clamp();
  }

  resize(width, height) {
    const fitted = this.fitted;
    Object.assign(this, { width, height });
    this.scale = fitted ? this.smallest : Math.max(this.scale, this.smallest);
    this.clamp();
  }

  /** Zoom by a factor; what is at a point of the window stays there. */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const [column, row] = this.at(x, y);
    this.scale = Math.min(Math.max(this.scale * factor, this.smallest), Math.max(CELL_MAX, this.smallest));
    const [across, down] = this.cell;
    this.left = column - x / across;
    this.top = row - y / down;
    this.clamp();
  }

  /** Move by pixels: the plane goes with the pointer. */
  pan(x, y) {
    const [across, down] = this.cell;
    this.left -= x / across;
    this.top -= y / down;
    this.clamp();
  }

  /** Move as little as it takes to see an element. */
  reveal(row, column) {
    const [across, down] = this.cell;
    this.left = Math.min(Math.max(this.left, column + 1 - this.width / across), column);
    this.top = Math.min(Math.max(this.top, row + 1 - this.height / down), row);
    this.clamp();
  }

  /** The place of a point of the window: column and row, with fractions. */
  at(x, y) {
    const [across, down] = this.cell;
    const [left, top] = this.origin;
    return [(x - left) / across, (y - top) / down];
  }

  /** The element at a point of the window, if there is one. */
  element(x, y) {
    const [column, row] = this.at(x, y).map(Math.floor);
    const inside = row >= 0 && row < this.rows && column >= 0 && column < this.columns;
    return inside ? { row, column } : undefined;
  }

  /** The elements that are seen, some of them in part. */
  get part() {
    const [left, top] = this.at(0, 0).map((place) => Math.max(0, Math.floor(place)));
    const [right, bottom] = this.at(this.width, this.height).map(Math.ceil);
    return { left, top, columns: Math.min(right, this.columns) - left, rows: Math.min(bottom, this.rows) - top };
  }

  clamp() {
    const [across, down] = this.cell;
    this.left = Math.max(0, Math.min(this.left, this.columns - this.width / across));
    this.top = Math.max(0, Math.min(this.top, this.rows - this.height / down));
  }
}

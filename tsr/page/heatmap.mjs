// A plane of numbers on a canvas: zoomed and moved by wheel, drag and keys, with a cursor.
//
// The canvas has the size of its place on the screen. What is under the pointer, or else under the
// cursor, is told to whoever made the heatmap.

import { colourOf, raster } from './raster.mjs';
import { Viewport } from './viewport.mjs';

const PIXELS_MAX = 1 << 20; // of the canvas, whatever the screen has
const TEXT_FROM = [30, 15]; // pixels of an element whose value is written into it, if it fits
const STEP = 1.25; // of zooming by a key or a button
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

export class Heatmap {
  /** `onElement({ row, column })` is called for what is pointed at, `onView()` after zooming. */
  constructor(canvas, { onElement, onView }) {
    this.canvas = canvas;
    this.scratch = document.createElement('canvas');
    this.tell = onElement;
    this.onView = onView;
    this.cursor = { row: 0, column: 0 };
    new ResizeObserver(() => this.resize()).observe(canvas);
    listen(this);
  }

  /** Show a plane; one of the same size keeps zoom and cursor. */
  show(plane, colours) {
    this.resize(); // it can have been hidden until now
    const { width, height } = this.size;
    const same = this.plane?.rows === plane.rows && this.plane.columns === plane.columns;
    this.plane = plane;
    this.colours = colours;
    if (!same) {
      this.view = new Viewport(plane.rows, plane.columns, width, height);
      this.cursor = { row: 0, column: 0 };
    }
    this.moved();
    this.tell(this.cursor);
  }

  /** Show nothing. */
  clear() {
    this.plane = this.view = undefined;
    this.draw();
  }

  zoomIn() { this.zoom(STEP); }

  zoomOut() { this.zoom(1 / STEP); }

  fit() {
    this.view?.fit();
    this.moved();
  }

  /** Zoom by a factor, around a point or the cursor if it is seen. */
  zoom(factor, x, y) {
    if (!this.view) return;
    if (x === undefined && !this.view.fitted) [x, y] = this.centreOf(this.cursor);
    this.view.zoom(factor, x, y);
    this.moved();
  }

  get size() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    return { width: Math.max(width, 1), height: Math.max(height, 1) };
  }

  resize() {
    const { width, height } = this.size;
    this.ratio = Math.min(globalThis.devicePixelRatio, Math.sqrt(PIXELS_MAX / (width * height)));
    this.canvas.width = Math.max(1, Math.floor(width * this.ratio));
    this.canvas.height = Math.max(1, Math.floor(height * this.ratio));
    this.view?.resize(width, height);
    if (this.view) this.moved();
  }

  moved() {
    this.onView();
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = undefined;
      this.draw();
    });
  }

  moveCursor(row, column) {
    const { rows, columns } = this.plane;
    this.hasCursor = true;
    const within = (place, count) => Math.min(Math.max(place, 0), count - 1);
    this.cursor = { row: within(row, rows), column: within(column, columns) };
    this.view.reveal(this.cursor.row, this.cursor.column);
    this.moved();
    this.tell(this.cursor);
  }

  centreOf({ row, column }) {
    const [across, down] = this.view.cell;
    const [left, top] = this.view.origin;
    return [left + (column + 0.5) * across, top + (row + 0.5) * down];
  }

  draw() {
    const { width, height } = this.size;
    const context = this.canvas.getContext('2d');
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    if (!this.view) return;
    this.drawCells(context);
    const [across, down] = this.view.cell;
    if (across >= TEXT_FROM[0] && down >= TEXT_FROM[1]) this.drawTexts(context);
    if (this.hasCursor) this.drawCursor(context);
  }

  /** One pixel an element where they are large, else one a pixel of the screen; then stretched. */
  drawCells(context) {
    const { part, cell: [across, down], origin: [left, top] } = this.view;
    const wide = Math.min(part.columns, Math.ceil(part.columns * across * this.ratio));
    const high = Math.min(part.rows, Math.ceil(part.rows * down * this.ratio));
    this.scratch.width = wide;
    this.scratch.height = high;
    const pixels = raster(this.plane, part, wide, high, this.colours);
    this.scratch.getContext('2d').putImageData(new ImageData(pixels, wide, high), 0, 0);
    context.imageSmoothingEnabled = false;
    const [x, y] = [left + part.left * across, top + part.top * down];
    context.drawImage(this.scratch, x, y, part.columns * across, part.rows * down);
  }

  drawTexts(context) {
    const { part, cell: [across] } = this.view;
    const { numbers, base, columns } = this.plane;
    const size = Math.min(13, Math.max(10, across / 6));
    const room = Math.floor((across - 4) / (0.6 * size));
    context.font = `${size}px ui-monospace, monospace`;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    for (let row = part.top; row < part.top + part.rows; row++) {
      for (let column = part.left; column < part.left + part.columns; column++) {
        const at = base + row * columns + column;
        const [red, green, blue] = colourOf(numbers.values[at], this.colours);
        context.fillStyle = luminance(red, green, blue) > 0.18 ? '#000' : '#fff';
        context.fillText(shortened(numbers.text(at), room), ...this.centreOf({ row, column }));
      }
    }
  }

  /** White within black, so that it is seen on every colour. */
  drawCursor(context) {
    const [across, down] = this.view.cell;
    const [x, y] = this.centreOf(this.cursor);
    const [wide, high] = [Math.max(across, 7), Math.max(down, 7)];
    for (const [colour, line] of [['#000', 4], ['#fff', 2]]) {
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.strokeRect(x - wide / 2, y - high / 2, wide, high);
    }
  }
}

/** How light a colour is, from 0 to 1; on more than 0.18 black is read better than white. */
function luminance(...colour) {
  const [red, green, blue] = colour.map((part) => (part / 255) ** 2.2);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** A number's text with as many digits as there is room for, or nothing. */
function shortened(text, room) {
  if (text.length <= room) return text;
  const texts = [4, 3, 2, 1].map((digits) => `${Number(Number(text).toPrecision(digits))}`.replace('0.', '.'));
  return texts.find((shorter) => shorter.length <= room && shorter !== 'NaN') ?? '';
}

function listen(map) {
  const { canvas } = map;
  let drag;
  canvas.addEventListener('pointerdown', (event) => {
    if (!map.view || event.button) return;
    canvas.setPointerCapture(event.pointerId);
    drag = { x: event.offsetX, y: event.offsetY, far: false };
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!map.view) return;
    if (drag) {
      dragTo(map, drag, event);
      return;
    }
    const element = map.view.element(event.offsetX, event.offsetY);
    if (element) map.tell(element);
  });
  canvas.addEventListener('pointerup', (event) => {
    const element = drag && !drag.far && map.view?.element(event.offsetX, event.offsetY);
    if (element) map.moveCursor(element.row, element.column);
    drag = undefined;
  });
  canvas.addEventListener('focus', () => {
    map.hasCursor = canvas.matches(':focus-visible'); // a click puts it where it points
    if (map.view) map.moved();
  });
  canvas.addEventListener('pointercancel', () => { drag = undefined; });
  canvas.addEventListener('pointerleave', () => { if (map.view) map.tell(map.cursor); });
  canvas.addEventListener('wheel', (event) => {
    // When all is seen, turning the wheel further moves the page.
    if (!map.view || (event.deltaY > 0 && map.view.fitted)) return;
    event.preventDefault();
    map.zoom(Math.exp(-event.deltaY * 0.002), event.offsetX, event.offsetY);
  }, { passive: false });
  canvas.addEventListener('keydown', (event) => {
    if (map.view && !event.altKey && press(map, event)) event.preventDefault();
  });
}

function dragTo(map, drag, event) {
  const [x, y] = [event.offsetX - drag.x, event.offsetY - drag.y];
  if (!drag.far && Math.hypot(x, y) < 4) return; // a click whose hand is not quite still
  Object.assign(drag, { x: event.offsetX, y: event.offsetY, far: true });
  map.view.pan(x, y);
  map.moved();
}

/** Do what a key stands for, and tell whether it does for anything. */
function press(map, { key, shiftKey, ctrlKey, metaKey }) {
  const { view, cursor: { row, column }, plane: { rows, columns } } = map;
  if (ctrlKey || metaKey) return false;
  if (key in MOVES) {
    const [down, right] = MOVES[key];
    if (shiftKey) {
      view.pan(-right * view.width / 4, -down * view.height / 4);
      map.moved();
    } else {
      map.moveCursor(row + down, column + right);
    }
    return true;
  }
  const seen = Math.max(1, Math.floor(view.height / view.cell[1]) - 1);
  const action = {
    '+': () => map.zoomIn(), '=': () => map.zoomIn(), '-': () => map.zoomOut(), 0: () => map.fit(),
    Home: () => map.moveCursor(row, 0), End: () => map.moveCursor(row, columns - 1),
    PageUp: () => map.moveCursor(row - seen, column), PageDown: () => map.moveCursor(Math.min(row + seen, rows - 1), column),
  }[key];
  action?.();
  return action !== undefined;
}

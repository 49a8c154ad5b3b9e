// A tensor and an index into its axes before the last two -> the plane that a heatmap shows.
//
// Rows and columns are the last two axes. A tensor of rank 1 is one row, one of rank 0 one element.

const STRANGE_MAX = 1 << 16; // elements that are no number, of a plane: more are seen in any case

/**
 * What there is of a tensor whose elements are all there: a grid of the whole.
 *
 * A grid has `planes`, how many indices there are of each axis before the last two, `rows` and
 * `columns`, and `rowStep` and `columnStep`, which of the tensor's these are.
 */
export function wholeGrid(shape) {
  return { planes: shape.slice(0, -2), rows: shape.at(-2) ?? 1, columns: shape.at(-1) ?? 1, rowStep: 1, columnStep: 1 };
}

/**
 * The plane at `outer`, an index for each axis before the last two, of a tensor's `numbers`, which
 * its `grid` describes.
 *
 * Gives `numbers`, the `base` of its first element in them, `rows`, `columns`, `indexOf(row,
 * column)`, the index of an element into the tensor, and `strange`, where among the numbers the
 * first elements are that are NaN or infinite.
 */
export function planeOf({ shape, numbers, grid }, outer) {
  const { planes, rows, columns, rowStep, columnStep } = grid;
  const base = outer.reduce((sum, index, axis) => sum * planes[axis] + index, 0) * rows * columns;
  let strange;
  return {
    numbers, rows, columns, base,
    get strange() { return strange ??= strangeIn(numbers, base, base + rows * columns); },
    indexOf: (row, column) => [...outer, row * rowStep, column * columnStep].slice(outer.length + 2 - shape.length),
  };
}

function strangeIn({ values, dtype }, from, to) {
  const places = [];
  if (!dtype.startsWith('float')) return places;
  for (let at = from; at < to && places.length < STRANGE_MAX; at++) {
    if (values[at] - values[at] !== 0) places.push(at);
  }
  return places;
}

/** The least and the greatest finite number of a plane; NaN where there is none. */
export function extremesOf({ numbers: { values }, base, rows, columns }) {
  let [least, greatest] = [NaN, NaN];
  for (let at = base; at < base + rows * columns; at++) {
    const value = values[at];
    if (value - value !== 0) continue; // NaN or infinite
    if (!(value >= least)) least = value;
    if (!(value <= greatest)) greatest = value;
  }
  return [least, greatest];
}

// A tensor and an index into its axes before the last two -> the plane that a heatmap shows.
//
// Rows and columns are the last two axes. A tensor of rank 1 is one row, one of rank 0 one element.

/** The axes before the last two, which have a slider each where they are longer than 1. */
export function outerAxes(shape) {
  return shape.slice(0, -2);
}

/**
 * The plane at `outer`, an index for each outer axis, of a tensor whose elements are there.
 *
 * Gives `numbers`, the `base` of its first element in them, `rows`, `columns`, and `indexOf(row,
 * column)`, the index of an element into the tensor.
 */
export function planeOf({ shape, numbers }, outer) {
  const [rows, columns] = [shape.at(-2) ?? 1, shape.at(-1) ?? 1];
  const before = outer.reduce((sum, index, axis) => sum * shape[axis] + index, 0);
  return {
    numbers, rows, columns, base: before * rows * columns,
    indexOf: (row, column) => [...outer, row, column].slice(outer.length + 2 - shape.length),
  };
}

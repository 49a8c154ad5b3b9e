// Numbers -> what a person asks of them first: extremes, mean, spread, histogram, what is no number.
//
// Sums are taken in float64, chunk by chunk, and the spread in a second pass around the mean, so that
// neither many elements nor a large mean costs digits.

const CHUNK = 1 << 16; // elements between two looks at the clock: less than a millisecond
const SAMPLE = 1 << 16; // elements that percentiles are taken from

/**
 * Summarize a typed array, as a generator: it yields after every chunk.
 *
 * Gives `count`, `finite`, `zeros`, `nans`, `positiveInfinities` and `negativeInfinities`; of the
 * finite numbers `minimum`, `maximum`, `mean` and `deviation` (of the population), NaN where there
 * are none, the percentiles `low` and `high` (2 % and 98 %, of a sample where there are many), and
 * `histogram`: `counts` of bins of equal width between `edges`, the last of which is included. Of
 * integers each bin has room for equally many, so the last edge can lie beyond the maximum.
 */
export function* summarizing(values, bins = 64) {
  const summary = yield* counting(values);
  const { minimum, maximum, mean, finite } = summary;
  const edges = finite ? edgesOf(values, minimum, maximum, bins) : [];
  const counts = Array(Math.max(edges.length - 1, 0)).fill(0);
  const scale = counts.length / (edges.at(-1) - minimum);
  let squares = 0;
  for (let start = 0; start < values.length; start += CHUNK) {
    let sum = 0;
    const end = Math.min(start + CHUNK, values.length);
    for (let at = start; at < end; at++) {
      const value = values[at];
      if (value - value !== 0) continue; // NaN or infinite
      sum += (value - mean) ** 2;
      counts[binOf(value, minimum, scale, edges)]++;
    }
    squares += sum;
    yield;
  }
  const [low, high] = percentiles(values, [0.02, 0.98]);
  return { ...summary, deviation: finite ? Math.sqrt(squares / finite) : NaN, low, high, histogram: { counts, edges } };
}

function* counting(values) {
  let [minimum, maximum, sum] = [Infinity, -Infinity, 0];
  let [zeros, nans, positiveInfinities, negativeInfinities] = [0, 0, 0, 0];
  for (let start = 0; start < values.length; start += CHUNK) {
    let partial = 0; // sums of sums: errors grow with the chunk, not with the tensor
    const end = Math.min(start + CHUNK, values.length);
    for (let at = start; at < end; at++) {
      const value = values[at];
      if (value - value !== 0) {
        if (value === Infinity) positiveInfinities++;
        else if (value === -Infinity) negativeInfinities++;
        else nans++;
        continue;
      }
      if (value === 0) zeros++;
      if (value < minimum) minimum = value;
      if (value > maximum) maximum = value;
      partial += value;
    }
    sum += partial;
    yield;
  }
  const count = values.length;
  const finite = count - nans - positiveInfinities - negativeInfinities;
  if (!finite) [minimum, maximum] = [NaN, NaN];
  const mean = finite ? sum / finite : NaN;
  return { count, finite, minimum, maximum, mean, zeros, nans, positiveInfinities, negativeInfinities };
}

/** Edges of bins of equal width; where all floats are the same, of one bin without width. */
function edgesOf(values, minimum, maximum, bins) {
  if (values instanceof Int8Array || values instanceof Int32Array) {
    const width = Math.ceil((maximum - minimum + 1) / bins);
    const count = Math.floor((maximum - minimum) / width) + 1;
    return Array.from({ length: count + 1 }, (_, index) => minimum + index * width);
  }
  if (minimum === maximum) return [minimum, maximum];
  const step = (maximum - minimum) / bins;
  return Array.from({ length: bins + 1 }, (_, index) => (index === bins ? maximum : minimum + index * step));
}

/** The bin of a number: by division, which rounding can put one beside the right one. */
function binOf(value, minimum, scale, edges) {
  const last = edges.length - 2;
  if (!last) return 0;
  const index = Math.min(Math.floor((value - minimum) * scale), last);
  if (value < edges[index]) return index - 1;
  return index < last && value >= edges[index + 1] ? index + 1 : index;
}

/** Percentiles of the finite numbers; of many, those of every so manieth. */
export function percentiles(values, shares) {
  const step = Math.max(1, Math.floor(values.length / SAMPLE));
  const sample = [];
  for (let at = 0; at < values.length; at += step) if (Number.isFinite(values[at])) sample.push(values[at]);
  const sorted = Float64Array.from(sample).sort();
  return shares.map((share) => {
    if (!sorted.length) return NaN;
    const place = share * (sorted.length - 1);
    const [below, above] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
    return below + (above - below) * (place - Math.floor(place));
  });
}

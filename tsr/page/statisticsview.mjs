// The statistics of a tensor -> rows of a table.

import { numberText } from '../js/numbers.mjs';
import { byId, element, grouped } from './dom.mjs';

const COUNTED = [['zeros', 'zeros'], ['nans', 'NaN'], ['positiveInfinities', '+inf'], ['negativeInfinities', '-inf']];

/** Show a summary; each row carries its number unrounded, too. */
export function showStatistics({ dtype, sample }, summary) {
  const of = sample?.lookedAt ?? summary.count;
  const exact = (number) => (Number.isNaN(number) ? 'none' : numberText(number, dtype));
  const rounded = (number) => (Number.isNaN(number) ? 'none' : `${Number(number.toPrecision(9))}`);
  // Integers are all numbers.
  const counted = dtype.startsWith('float') ? COUNTED : COUNTED.slice(0, 1);
  const rows = [
    ['count', 'count', grouped(summary.count)],
    ['minimum', 'min', exact(summary.minimum)],
    ['maximum', 'max', exact(summary.maximum)],
    ['mean', 'mean', rounded(summary.mean)],
    ['deviation', 'std', rounded(summary.deviation)],
    ...counted.map(([name, label]) => [name, label, share(summary[name], of)]),
  ];
  byId('statistics').tBodies[0].replaceChildren(...rows.map(([name, label, text]) => element(
    'tr',
    { 'data-name': name, 'data-value': summary[name] },
    element('th', { scope: 'row' }, label),
    element('td', {}, text),
  )));
}

function share(part, whole) {
  return part ? `${grouped(part)} (${Number((100 * part / whole).toPrecision(3))} %)` : '0';
}

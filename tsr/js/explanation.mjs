// A file and the first clause that it breaks -> which bytes are wrong, and what would mend it.

import { entryFields, formatOf, headerFields } from './anatomy.mjs';
import { resemblance } from './resemblance.mjs';

/**
 * Explain a FormatError of a file.
 *
 * `bytes` may be only the first ones of `size`. Gives `clause`, `sentence` and `mend` (from
 * `clauses`, the contents of tsr/diagnosis/clauses.json), `field`, `offset`, `found` and `expected`, `looksLike`
 * where the file is no TSR, and `wrong`: `offset` and `size` of the bytes that are wrong, and how many
 * are `missing` behind them. Numbers are numbers.
 */
export function explain(error, bytes, size, { tables, clauses }) {
  const { clause, field, found, expected } = error;
  const { sentence, mend } = clauses[clause];
  const offset = Number(error.offset);
  const isTsr = ['TSR!', 'TSR4'].includes(String.fromCharCode(...bytes.subarray(0, 4)));
  return {
    clause, field, offset, sentence, mend, found: inHex(field, found), expected: inHex(field, expected),
    looksLike: isTsr ? undefined : resemblance(bytes),
    wrong: wrongBytes(error, bytes, size, tables),
  };
}

/** Checksums are compared digit by digit, and elsewhere written in hexadecimal. */
function inHex(field, value) {
  const isNumber = field.endsWith('crc32') && /^\d+$/.test(value);
  return isNumber ? `0x${Number(value).toString(16).padStart(8, '0')}` : value;
}

function wrongBytes({ clause, field, offset: exact, expected }, bytes, size, tables) {
  const offset = Number(exact);
  const format = formatOf(bytes);
  if (clause.includes('-SIZE-')) return { offset: size, size: 0, missing: tables[format].header_size - size };
  if (clause === 'T4-DIRECTORY-2' || clause.includes('-PAYLOAD-1')) {
    // What is expected is so many bytes from the offset on.
    const end = offset + Number.parseInt(expected, 10);
    return { offset: Math.min(size, end), size: 0, missing: Math.max(end - Math.max(size, offset), 0) };
  }
  if (field === 'end of file') return { offset, size: size - offset, missing: 0 };
  if (field === 'padding') return { offset, size: 1, missing: 0 };
  const stream = /^payload\[(\d+)\]$/.exec(field);
  if (stream) return { offset, size: storedSize(bytes, tables, Number(stream[1])), missing: 0 };
  return { offset, size: fieldSize(field, bytes, tables), missing: 0 };
}

function storedSize(bytes, tables, index) {
  const field = entryFields(bytes, tables, index).find(({ name }) => name.endsWith('.payload_size'));
  return Number(field.value);
}

/** A field, or all items of one that has several. */
function fieldSize(field, bytes, tables) {
  const entry = /^entries\[(\d+)\]/.exec(field);
  const fields = entry ? entryFields(bytes, tables, Number(entry[1])) : headerFields(bytes, tables);
  return fields
    .filter(({ name }) => name === field || name.startsWith(`${field}[`))
    .reduce((sum, { size }) => sum + size, 0);
}

// Parts of a file -> rows of its bytes, in colours by part, with what each part means.
//
// Only rows that say something are shown: header, one entry of the directory, where a payload begins,
// and what is wrong. Wrong bytes are marked, and so is the place of those that are missing.

import { element, grouped } from './dom.mjs';

const ROW = 16;
const BEGINNING = 32; // bytes of a payload that are shown
const WRONG_MAX = 64; // wrong bytes that are shown, and
const MISSING_MAX = 32; // places of missing ones

/**
 * Make the rows. `parts` have `name`, `offset`, `size` and `kind`, in order; `wrong` is as an
 * explanation has it, or undefined. Gives the elements of the rows, and those of the parts' first
 * bytes, which are options of a listbox and have the index of their part as `data-part`.
 */
export function hexdumpRows({ bytes, size, parts, wrong }) {
  // Of a large file the page has the beginning only.
  const end = bytes.length < size ? bytes.length : size + Math.min(wrong?.missing ?? 0, MISSING_MAX);
  const places = { bytes, size, parts, wrong, end };
  const rows = [];
  const named = new Map();
  let next = 0;
  for (const start of shownRows(places)) {
    if (start > next) rows.push(gap(next, start, bytes));
    rows.push(rowOf(start, places, named));
    next = start + ROW;
  }
  if (next < size) rows.push(gap(next, size, bytes));
  return { rows, options: [...named.values()] };
}

function shownRows({ parts, wrong, bytes, end }) {
  const shown = new Set();
  const add = (offset, size) => {
    const last = Math.min(offset + size, end) - 1;
    for (let row = Math.floor(offset / ROW); row <= Math.floor(last / ROW); row++) shown.add(row * ROW);
  };
  for (const part of parts) add(part.offset, Math.min(part.size, beginning(part, bytes)));
  if (wrong) add(wrong.offset, Math.min(wrong.size, WRONG_MAX) + Math.min(wrong.missing, MISSING_MAX));
  return [...shown].sort((one, other) => one - other);
}

/** How many bytes of a part are shown: of a payload some, of long zeros those of a row. */
function beginning({ offset, size, kind }, bytes) {
  if (kind === 'payload') return BEGINNING;
  return size > 2 * ROW && bytes.subarray(offset, offset + size).every((byte) => byte === 0) ? ROW : size;
}

/** Bytes of a row that belong to the same part, and are all right or all wrong, are one run. */
function rowOf(start, places, named) {
  const codes = element('span', { class: 'codes', role: 'presentation' });
  const letters = element('span', { class: 'letters', 'aria-hidden': 'true' });
  for (let at = start; at < start + ROW;) {
    const state = stateAt(at, places);
    let end = at + 1;
    while (end < start + ROW && same(stateAt(end, places), state)) end++;
    if (state.kind === 'nothing') {
      codes.append(' '.repeat(3 * (end - at)));
    } else {
      codes.append(runOf(at, end, state, places, named), separator(end, start));
      letters.append(element('span', classes(state), lettersOf(at, end, state, places)));
    }
    at = end;
  }
  const offset = element('span', { class: 'offset', 'aria-hidden': 'true' }, start.toString(16).padStart(8, '0'));
  return element('div', { class: 'row', role: 'presentation' }, offset, codes, letters);
}

function stateAt(at, { size, parts, wrong, end }) {
  const isWrong = wrong !== undefined && at >= wrong.offset && at < wrong.offset + wrong.size;
  if (at >= end) return { kind: 'nothing' };
  if (at >= size) return { kind: 'missing' };
  const part = parts.findIndex(({ offset, size: length }) => at >= offset && at < offset + length);
  return { kind: parts[part]?.kind ?? 'other', part, isWrong };
}

function same(one, other) {
  return one.kind === other.kind && one.part === other.part && one.isWrong === other.isWrong;
}

function classes({ kind, part, isWrong }) {
  return { class: `run kind-${kind}${isWrong ? ' wrong' : ''}`, 'data-part': part >= 0 ? part : undefined };
}

function runOf(at, end, state, { bytes, parts }, named) {
  const text = Array.from({ length: end - at }, (_, index) => {
    const code = state.kind === 'missing' ? '··' : bytes[at + index].toString(16).padStart(2, '0');
    return index && (at + index) % 8 === 0 ? ` ${code}` : code;
  }).join(' ');
  const run = element('span', classes(state), text);
  if (state.isWrong) run.setAttribute('data-wrong', `${at}-${end}`);
  if (state.part >= 0 && !named.has(state.part)) {
    const { name, offset, size, value } = parts[state.part];
    run.id = `part-${state.part}`;
    run.setAttribute('role', 'option');
    run.setAttribute('aria-selected', 'false');
    const mark = state.isWrong ? ', wrong' : '';
    run.setAttribute('aria-label', `${name}, offset ${offset}, ${size} bytes, ${value}${mark}`);
    named.set(state.part, run);
  }
  return run;
}

function separator(end, start) {
  if (end === start + ROW) return '';
  return end % 8 === 0 ? '  ' : ' ';
}

function lettersOf(at, end, { kind }, { bytes }) {
  if (kind === 'missing') return '·'.repeat(end - at);
  const letter = (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.');
  return Array.from(bytes.subarray(at, end), letter).join('');
}

function gap(from, to, bytes) {
  const count = to - from;
  const zeros = to <= bytes.length && count < 4096 && bytes.subarray(from, to).every((byte) => byte === 0);
  const said = `⋯ ${grouped(count)} ${zeros ? 'zero ' : ''}${count === 1 ? 'byte' : 'bytes'}`;
  return element('div', { class: 'gap', role: 'presentation' }, said);
}

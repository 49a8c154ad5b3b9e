// Bytes of a file, dropped or embedded -> what the page shows of it: tensors, or what is wrong.

import { formatOf } from '../js/anatomy.mjs';
import { explain } from '../js/explanation.mjs';
import { StreamError, inflate, inflating } from '../js/inflate.mjs';
import { Numbers } from '../js/numbers.mjs';
import { summarizing } from '../js/statistics.mjs';
import { patiently } from '../js/steps.mjs';
import { FormatError, decoding, layingOut } from '../js/tsr.mjs';
import { Memory, TENSOR_MAX } from './memory.mjs';
import { wholeGrid } from './planes.mjs';

const TENSORS = 1 << 10; // that are made in one go: a millisecond

const memory = new Memory();

/**
 * A tensor of a file; numbers and statistics are made when they are first asked for.
 *
 * `sample` is there where the page has only a part of its elements, which `grid` describes.
 */
class Tensor {
  #summary;

  constructor(file, index, found) {
    Object.assign(this, found, { file, index, grid: found.sample?.grid ?? wholeGrid(found.shape) });
  }

  /** A promise of its elements, or of undefined where its payload does not inflate. */
  async load(signal) {
    if (!this.numbers) {
      const elements = this.elements ?? await elementsOf(this, signal);
      const numbers = elements && new Numbers({ dtype: this.dtype, elements });
      if (numbers) memory.hold(this, ownBytes(this.file, elements, numbers));
      this.numbers = numbers;
    }
    return this.numbers;
  }

  /** Forget what `load` gives, until it is asked again. */
  drop() {
    this.elements = this.numbers = undefined;
  }

  /** A promise of its statistics, of the numbers that it has loaded. */
  async summarize({ values }, signal) {
    this.#summary ??= this.sample ? withNaNs(this.sample.summary) : await patiently(summarizing(values), signal);
    return this.#summary;
  }
}

/**
 * Read a file and check all of it, with pauses, so that the page stays responsive.
 *
 * Gives `name`, `size`, `bytes`, `format`, `compressed`, `tensors`, the `count` of them in the file, and
 * `fault`, the explanation of the first clause that it breaks. Where that is about a payload, or
 * what follows the last one, there are tensors nevertheless. RangeError: a tensor is larger than a page can hold.
 */
export async function readFile(name, bytes, rules) {
  const file = { name, size: bytes.length, bytes, format: formatOf(bytes), compressed: false, tensors: [] };
  try {
    const found = await patiently(decoding(bytes, { keep: memory.left, most: TENSOR_MAX }));
    await take(file, found);
    for (const tensor of file.tensors) {
      if (file.compressed && tensor.elements) memory.hold(tensor, tensor.elements.buffer.byteLength);
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    file.fault = explain(error, bytes, bytes.length, rules);
    if (/^(payload|entries|padding|end of file)/.test(error.field)) await takeWhatIsThere(file, error);
  }
  return file;
}

/**
 * Take a file that the page carries only samples of, as `reduced` has it: its `size`, `fault`, and
 * for each of `tensors` its `summary`, how many elements that is of (`lookedAt`), and a `grid` of
 * `elements`.
 *
 * `bytes` are those of header and directory, as far as they are right.
 */
export async function sampledFile(name, bytes, { size, fault, tensors }, rules) {
  const file = { name, size, bytes, format: formatOf(bytes), compressed: false, tensors: [] };
  if (fault) file.fault = explain(fault, bytes, size, rules);
  if (!tensors.length) return file;
  const found = await patiently(layingOut(bytes, sizeOf(file, fault)));
  const sampled = tensors.map((sample, index) => ({ ...found.tensors[index], sample: sample ?? {} }));
  await take(file, { ...found, tensors: sampled });
  file.count = found.tensors.length;
  return file;
}

/** Count the tensors of a file no longer, of which nobody will ask. */
export function release(file) {
  for (const tensor of file.tensors) memory.release(tensor);
}

function take(file, found) {
  return patiently(taking(file, found));
}

function* taking(file, { compressed, tensors }) {
  file.compressed = compressed;
  file.count = tensors.length;
  for (const [index, tensor] of tensors.entries()) {
    file.tensors.push(new Tensor(file, index, tensor));
    if (index % TENSORS === TENSORS - 1) yield;
  }
}

/** The size of a file, without bytes after its end. */
function sizeOf({ size }, fault) {
  return fault?.field === 'end of file' ? Number(fault.offset) : size;
}

/** Take what header and directory tell of; bytes after the end are not looked at. */
async function takeWhatIsThere(file, error) {
  const size = sizeOf(file, error);
  try {
    await take(file, await patiently(layingOut(file.bytes, size)));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error; // the explanation is of this one
  }
}

/** Bytes that the numbers of a tensor take beside the file. */
function ownBytes(file, elements, { bits, values }) {
  const buffers = new Set([elements, bits, values].map(({ buffer }) => buffer));
  buffers.delete(file.bytes.buffer);
  return [...buffers].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

async function elementsOf({ file, offset, storedSize, size, sample }, signal) {
  if (sample) return sample.elements && embeddedBytes(sample.elements);
  const stored = file.bytes.subarray(Number(offset), Number(offset + storedSize));
  if (!file.compressed) return stored;
  try {
    return await patiently(inflating(stored, size, TENSOR_MAX), signal);
  } catch (error) {
    if (error instanceof StreamError) return undefined;
    throw error;
  }
}

/** What a summary has no number for is null in JSON. */
function withNaNs(summary) {
  return Object.fromEntries(Object.entries(summary).map(([name, value]) => [name, value ?? NaN]));
}

/** The bytes that the page carries in an element, as text in base64, deflated or as they are. */
export function embeddedBytes({ id, size, deflated }) {
  const text = atob(document.getElementById(id).textContent);
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  return deflated ? inflate(bytes, BigInt(size)) : bytes;
}

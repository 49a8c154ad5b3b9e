// Bytes of a file, dropped or embedded -> what the page shows of it: tensors, or what is wrong.

import { formatOf } from '../js/anatomy.mjs';
import { explain } from '../js/explanation.mjs';
import { StreamError, inflate } from '../js/inflate.mjs';
import { Numbers } from '../js/numbers.mjs';
import { summarizing } from '../js/statistics.mjs';
import { patiently } from '../js/steps.mjs';
import { FormatError, decoding, layout } from '../js/tsr.mjs';

/** A tensor of a file; numbers and statistics are made when they are first asked for. */
class Tensor {
  #numbers;
  #summary;

  constructor(file, index, found) {
    Object.assign(this, found, { file, index });
  }

  /** Its elements, or undefined where its payload does not inflate. */
  get numbers() {
    if (!this.elements) this.elements = elementsOf(this);
    if (!this.#numbers && this.elements) this.#numbers = new Numbers(this);
    return this.#numbers;
  }

  /** A promise of its statistics. */
  get summary() {
    this.#summary ??= patiently(summarizing(this.numbers.values));
    return this.#summary;
  }
}

/**
 * Read a file and check all of it, with pauses, so that the page stays responsive.
 *
 * Gives `name`, `size`, `bytes`, `format`, `compressed`, `tensors`, and `fault`, the explanation of
 * the first clause that it breaks. Where that is about a payload, there are tensors nevertheless.
 */
export async function readFile(name, bytes, rules) {
  const file = { name, size: bytes.length, bytes, format: formatOf(bytes), compressed: false, tensors: [] };
  try {
    take(file, await patiently(decoding(bytes)));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    file.fault = explain(error, bytes, bytes.length, rules);
    if (/^(payload|entries|padding)/.test(error.field)) takeWhatIsThere(file);
  }
  return file;
}

function take(file, { compressed, tensors }) {
  file.compressed = compressed;
  file.tensors = tensors.map((tensor, index) => new Tensor(file, index, tensor));
}

function takeWhatIsThere(file) {
  try {
    take(file, layout(file.bytes));
  } catch (error) {
    if (!(error instanceof FormatError)) throw error; // the explanation is of this one
  }
}

function elementsOf({ file, offset, storedSize, size }) {
  const stored = file.bytes.subarray(Number(offset), Number(offset + storedSize));
  if (!file.compressed) return stored;
  try {
    return inflate(stored, size);
  } catch (error) {
    if (error instanceof StreamError) return undefined;
    throw error;
  }
}

/** The bytes that the page carries in an element, as text in base64, deflated or as they are. */
export function embeddedBytes({ id, size, deflated }) {
  const text = atob(document.getElementById(id).textContent);
  const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  return deflated ? inflate(bytes, BigInt(size)) : bytes;
}

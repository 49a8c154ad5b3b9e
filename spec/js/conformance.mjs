// The JavaScript decoder under the protocol of spec/conformance.md: node spec/js/conformance.mjs

import { createHash } from 'node:crypto';
import { readSync, writeSync } from 'node:fs';
import { FormatError, decode } from '../../tsr/js/tsr.mjs';

const CHUNK = Buffer.alloc(1 << 20);

function answer(bytes) {
  let file;
  try {
    file = decode(bytes);
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    // JSON.stringify refuses BigInts and would round numbers.
    const { clause, field, offset } = error;
    return `{"clause":"${clause}","field":"${field}","offset":${offset}}`;
  }
  const tensors = file.tensors.map(({ dtype, shape, elements }) => {
    const sha256 = createHash('sha256').update(elements).digest('hex');
    return { dtype, shape, sha256 };
  });
  return JSON.stringify({ format: file.format, tensors });
}

/** The inputs that are whole, and what is left. */
function take(received) {
  const inputs = [];
  let start = 0;
  while (received.length - start >= 8) {
    const end = start + 8 + Number(received.readBigUInt64LE(start));
    if (end > received.length) break;
    inputs.push(received.subarray(start + 8, end));
    start = end;
  }
  return [inputs, received.subarray(start)];
}

function write(text) {
  for (let data = Buffer.from(text); data.length;) data = data.subarray(writeSync(1, data));
}

for (let rest = Buffer.alloc(0), size; (size = readSync(0, CHUNK)) > 0;) {
  const [inputs, left] = take(Buffer.concat([rest, CHUNK.subarray(0, size)]));
  rest = left;
  // What follows these answers can take a while to come.
  write(inputs.map((bytes) => `${answer(bytes)}\n`).join(''));
}

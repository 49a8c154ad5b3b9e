// A .tsr file of either format, TSR v1 or TSR4 -> its tensors, or the first clause that it breaks.
//
//     import { decode, values } from './tsr.mjs';
//     const { format, tensors } = decode(new Uint8Array(await file.arrayBuffer()));
//     for (const tensor of tensors) console.log(tensor.dtype, tensor.shape, values(tensor));
//
// Runs in browsers and in node; what it imports lies beside it. spec/tsr-v1.md and spec/tsr4.md
// say what is checked: every clause on bytes, in their order. 64-bit numbers are BigInts, so that
// none is rounded and no sum wraps.

import { StreamError, inflating } from './inflate.mjs';
import { finish } from './steps.mjs';

const LIMIT = 2n ** 63n - 1n;
const V1_TYPES = { 1: ['float32', 4], 2: ['int8', 1], 3: ['int32', 4] };
const TSR4_TYPES = { 0: ['float32', 4], 1: ['float16', 2], 2: ['int8', 1], 3: ['int32', 4] };

const V1_HEADER = 64;
const TSR4_HEADER = 128;
const ENTRY = 64;
const ALIGNMENT = 256n;
const ZLIB = 1;
const ENTRIES = 1 << 10; // that are read in one go, and
const STEP = 1 << 20; // bytes whose CRC is computed in one go: some milliseconds

/**
 * The bytes break a clause of the specification.
 *
 * `clause`, `field` and `offset` (a BigInt) are those of the tables in the documents; `found` and
 * `expected` say in words what is there and what should be.
 */
export class FormatError extends Error {
  constructor(clause, field, offset, found, expected) {
    super(`${field} at offset ${offset}: got ${found}, expected ${expected} [${clause}]`);
    this.name = 'FormatError';
    Object.assign(this, { clause, field, offset: BigInt(offset), found, expected });
  }
}

/**
 * Decode a file and check all of it.
 *
 * Gives `format` ('v1' or 'tsr4'), `compressed`, and for each of `tensors` what `layout` gives
 * and `elements`, its bytes: little-endian, in C order. They are a view of the file where it
 * holds them as they are.
 */
export function decode(bytes) {
  return finish(decoding(bytes));
}

/**
 * Do the same as a generator, in steps of some milliseconds: a page can stay responsive.
 *
 * Of a compressed file no more than `keep` bytes of elements are kept, those of the first tensors;
 * the others have no `elements` then. A tensor of more than `most` bytes is a RangeError.
 */
export function* decoding(bytes, { keep = Infinity, most = Infinity } = {}) {
  const file = yield* layingOut(bytes, bytes.length);
  if (file.format === 'tsr4') checkPadding(bytes, BigInt(TSR4_HEADER + ENTRY * file.tensors.length), file.tensors[0].offset);
  for (const [index, tensor] of file.tensors.entries()) {
    const elements = yield* elementsOf(bytes, file, index, most);
    if (file.compressed) keep -= elements.buffer.byteLength;
    if (keep >= 0) tensor.elements = elements;
    const next = file.tensors[index + 1];
    if (next) checkPadding(bytes, tensor.offset + tensor.storedSize, next.offset);
  }
  return file;
}

/**
 * Read and check header and directory, and that the file has the size they say; no payload.
 *
 * Gives `format`, `compressed` and `tensors`, each with `dtype`, `shape` and, as BigInts,
 * `count` of elements, `size` of them in bytes, `offset` and `storedSize` of the payload; of
 * TSR4 also `rowStride` and the `crc32` of the elements, a number. Header and directory are
 * enough, given the `size` of the file.
 */
export function layout(bytes, size = bytes.length) {
  return finish(layingOut(bytes, size));
}

/** Do the same as a generator, in steps of some milliseconds. */
export function* layingOut(bytes, size = bytes.length) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return startsWith(bytes, 'TSR4') ? yield* tsr4Layout(bytes, view, BigInt(size)) : v1Layout(bytes, view, BigInt(size));
}

/** The elements of a decoded tensor as numbers, in a typed array; FP16 as a Float32Array. */
export function values({ dtype, elements }) {
  const view = new DataView(elements.buffer, elements.byteOffset, elements.byteLength);
  const [Kind, size, read] = {
    float32: [Float32Array, 4, (at) => view.getFloat32(at, true)],
    float16: [Float32Array, 2, (at) => half(view.getUint16(at, true))],
    int8: [Int8Array, 1, (at) => view.getInt8(at)],
    int32: [Int32Array, 4, (at) => view.getInt32(at, true)],
  }[dtype];
  return Kind.from({ length: elements.length / size }, (_, index) => read(size * index));
}

// ------------------------------------------------------------------ TSR v1

function v1Layout(bytes, view, size) {
  const int32 = (offset) => view.getInt32(offset, true);
  const int64 = (offset) => view.getBigInt64(offset, true);

  check('V1-SIZE-1', 'header', 0, bytes.length >= V1_HEADER, `${size} bytes`, 'at least 64 bytes');
  check('V1-MAGIC-1', 'magic', 0, startsWith(bytes, 'TSR!'), bytes.subarray(0, 4), '54535221');
  equal('V1-VERSION-1', 'version', 4, int32(4), 1);
  equal('V1-HEADER-1', 'header_size', 8, int32(8), V1_HEADER);
  equal('V1-RESERVED-1', 'reserved_1', 12, int32(12), 0);
  const type = V1_TYPES[int32(16)];
  check('V1-DTYPE-1', 'dtype', 16, type, int32(16), '1 (FP32), 2 (INT8) or 3 (INT32)');
  const ndim = int32(20);
  check('V1-NDIM-1', 'ndim', 20, ndim >= 0 && ndim <= 4, ndim, '0 to 4');
  const dims = [24, 28, 32, 36].map(int32);
  dims.forEach((dim, axis) => {
    check('V1-DIMS-1', `dims[${axis}]`, 24 + 4 * axis, dim >= 0, dim, '0 or more');
  });
  dims.slice(0, 4 - ndim).forEach((dim, axis) => {
    equal('V1-DIMS-2', `dims[${axis}]`, 24 + 4 * axis, dim, 1);
  });
  const count = product(dims);
  equal('V1-TOTAL-1', 'total_elements', 40, int64(40), count);
  const [dtype, itemsize] = type;
  const span = product(dims.map((dim) => dim || 1)) * BigInt(itemsize);
  check('V1-LIMIT-1', 'dims', 24, span <= LIMIT, `a span of ${span} bytes`, `at most ${LIMIT}`);
  equal('V1-RESERVED-2', 'reserved_2', 48, int64(48), 0n);
  equal('V1-RESERVED-3', 'reserved_3', 56, int64(56), 0n);
  const [stored, there] = [count * BigInt(itemsize), size - BigInt(V1_HEADER)];
  check('V1-PAYLOAD-1', 'payload', V1_HEADER, there >= stored, `${there} bytes`, `${stored} bytes`);
  checkEnd('V1-PAYLOAD-2', size, BigInt(V1_HEADER) + stored);

  const shape = dims.slice(4 - ndim);
  const tensor = { dtype, shape, count, size: stored, offset: BigInt(V1_HEADER), storedSize: stored };
  return { format: 'v1', compressed: false, tensors: [tensor] };
}

// ------------------------------------------------------------------ TSR4: header and directory

function* tsr4Layout(bytes, view, size) {
  const { compressed, count } = tsr4Header(bytes, view, size);
  const tensors = [];
  let end = BigInt(TSR4_HEADER + ENTRY * count);
  for (let index = 0; index < count; index++) {
    const tensor = tsr4Entry(bytes, view, index, end, compressed);
    end = tensor.offset + tensor.storedSize;
    tensors.push(tensor);
    if (tensors.length % ENTRIES === 0) yield;
  }
  for (const [index, { offset, storedSize }] of tensors.entries()) {
    const there = size > offset ? size - offset : 0n;
    check('T4-PAYLOAD-1', `payload[${index}]`, offset, there >= storedSize, `${there} bytes`, `${storedSize} bytes`);
    if (index % ENTRIES === ENTRIES - 1) yield;
  }
  checkEnd('T4-END-1', size, end);
  return { format: 'tsr4', compressed, tensors };
}

function tsr4Header(bytes, view, size) {
  const uint16 = (offset) => view.getUint16(offset, true);
  const uint32 = (offset) => view.getUint32(offset, true);
  const uint64 = (offset) => view.getBigUint64(offset, true);

  check('T4-SIZE-1', 'header', 0, bytes.length >= TSR4_HEADER, `${bytes.length} bytes`, 'at least 128 bytes');
  check('T4-MAGIC-1', 'magic', 0, startsWith(bytes, 'TSR4'), bytes.subarray(0, 4), '54535234');
  const header = Uint8Array.from(bytes.subarray(0, TSR4_HEADER)); // node's Buffers slice without copying
  header.fill(0, 40, 44);
  equal('T4-CRC-1', 'header_crc32', 40, uint32(40), crc32(header));
  equal('T4-VERSION-1', 'version_major', 4, uint16(4), 4);
  equal('T4-VERSION-2', 'version_minor', 6, uint16(6), 20);
  equal('T4-HEADER-1', 'header_size', 8, uint32(8), TSR4_HEADER);
  const mode = uint32(12);
  check('T4-MODE-1', 'file_mode', 12, mode <= ZLIB, mode, '0 (RAW) or 1 (ZLIB)');
  const count = uint32(16);
  check('T4-COUNT-1', 'tensor_count', 16, count >= 1, count, 'at least 1');
  equal('T4-ENTRY-1', 'entry_size', 20, uint32(20), ENTRY);
  equal('T4-DIRECTORY-1', 'dir_offset', 24, uint64(24), BigInt(TSR4_HEADER));
  const compressed = mode === ZLIB;
  const start = payloadStart(BigInt(TSR4_HEADER + ENTRY * count), compressed);
  equal('T4-DATA-1', 'data_offset', 32, uint64(32), start);
  equal('T4-RESERVED-1', 'reserved_0', 44, uint32(44), 0);
  const reserved = bytes.subarray(48, TSR4_HEADER);
  check('T4-RESERVED-2', 'reserved_1', 48, isZero(reserved), reserved, '80 zero bytes');
  const there = size - BigInt(TSR4_HEADER);
  check('T4-DIRECTORY-2', 'directory', 128, there >= ENTRY * count, `${there} bytes`, `${ENTRY * count} bytes`);
  return { compressed, count };
}

function tsr4Entry(bytes, view, index, end, compressed) {
  const at = TSR4_HEADER + ENTRY * index;
  const uint64 = (offset) => view.getBigUint64(at + offset, true);
  const name = (field) => `entries[${index}].${field}`;

  const type = TSR4_TYPES[bytes[at]];
  check('T4-DTYPE-1', name('dtype'), at, type, bytes[at], '0 (FP32), 1 (FP16), 2 (INT8) or 3 (INT32)');
  const reserved = bytes.subarray(at + 1, at + 4);
  check('T4-RESERVED-3', name('reserved_0'), at + 1, isZero(reserved), reserved, '3 zero bytes');
  const shape = [4, 8, 12, 16].map((offset) => view.getInt32(at + offset, true));
  shape.forEach((dim, axis) => {
    check('T4-SHAPE-1', name(`shape[${axis}]`), at + 4 + 4 * axis, dim >= 1, dim, '1 or more');
  });
  const count = product(shape);
  equal('T4-NUMEL-1', name('numel'), at + 20, view.getBigInt64(at + 20, true), count);
  const [dtype, itemsize] = type;
  const size = count * BigInt(itemsize);
  check('T4-LIMIT-1', name('shape'), at + 4, size <= LIMIT, `${size} bytes`, `at most ${LIMIT}`);
  equal('T4-NBYTES-1', name('nbytes'), at + 36, uint64(36), size);
  const offset = uint64(44);
  equal('T4-OFFSET-1', name('data_offset'), at + 44, offset, payloadStart(end, compressed));
  const storedSize = uint64(52);
  if (!compressed) equal('T4-STORED-1', name('payload_size'), at + 52, storedSize, size);
  const crc = view.getUint32(at + 60, true);
  return { dtype, shape, count, size, offset, storedSize, rowStride: uint64(28), crc32: crc };
}

/** Where a payload begins that follows a directory or a payload. */
function payloadStart(end, compressed) {
  return compressed ? end : (end + ALIGNMENT - 1n) / ALIGNMENT * ALIGNMENT;
}

// ------------------------------------------------------------------ TSR4: contents

// Offsets lie within the file by now, so they are exact as numbers.

function* elementsOf(bytes, file, index, most) {
  const { offset, storedSize, size, crc32: expected } = file.tensors[index];
  let elements = bytes.subarray(Number(offset), Number(offset + storedSize));
  if (file.compressed) {
    try {
      elements = yield* inflating(elements, size, most);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      throw new FormatError(error.clause, `payload[${index}]`, offset, error.found, `a zlib stream of ${size} bytes`);
    }
  }
  if (expected !== undefined) {
    let crc = 0;
    for (let at = 0; at < elements.length; at += STEP) {
      crc = crc32(elements.subarray(at, at + STEP), crc);
      yield;
    }
    equal('T4-CRC-2', `entries[${index}].data_crc32`, TSR4_HEADER + ENTRY * index + 60, expected, crc);
  }
  return elements;
}

function checkPadding(bytes, start, end) {
  for (let at = Number(start); at < end; at++) equal('T4-PADDING-1', 'padding', at, bytes[at], 0);
}

// ------------------------------------------------------------------ checks and sums

function check(clause, field, offset, holds, found, expected) {
  if (holds) return;
  const text = found instanceof Uint8Array ? hex(found) : `${found}`;
  throw new FormatError(clause, field, offset, text, `${expected}`);
}

function equal(clause, field, offset, found, expected) {
  check(clause, field, offset, found === expected, found, expected);
}

function checkEnd(clause, size, end) {
  check(clause, 'end of file', end, size === end, `${size - end} more bytes`, 'none');
}

function product(dims) {
  return dims.reduce((result, dim) => result * BigInt(dim), 1n);
}

function startsWith(bytes, magic) {
  return bytes.length >= 4 && [...magic].every((letter, at) => bytes[at] === letter.charCodeAt(0));
}

function isZero(bytes) {
  return bytes.every((byte) => byte === 0);
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? byte >>> 1 ^ 0xedb88320 : byte >>> 1;
  return byte;
});

/** The CRC-32 of zlib, PNG and ZIP; of bytes that follow others, given the CRC of those. */
export function crc32(bytes, before = 0) {
  let crc = ~before;
  for (let at = 0; at < bytes.length; at++) crc = CRC_TABLE[(crc ^ bytes[at]) & 255] ^ crc >>> 8;
  return ~crc >>> 0;
}

function half(bits) {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, bits >> 10 & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
}

// zlib streams (RFC 1950, RFC 1951) -> what they hold, or which clause of TSR4 they break.
//
// The inflaters of browsers and of node do not tell a stream that is cut from one that is broken,
// and do not stop at a given size: both matter here (spec/tsr4.md, section 14). Nothing but what
// lies beside it is imported, so this runs wherever JavaScript does.

import { finish } from './steps.mjs';

// RFC 1951, section 3.2.5: the extra bits of each code, and the least value that it stands for.
const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
const DISTANCE_BITS = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
const LENGTHS = leastValues(3, LENGTH_BITS);
LENGTHS[28] = 258; // has a code of its own
const DISTANCES = leastValues(1, DISTANCE_BITS);

// Section 3.2.7: the order in which the lengths of the code length code are stored.
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

const END_OF_BLOCK = 256;
const STEP = 1 << 19; // bytes that come out between two steps: some milliseconds
const FIXED = {
  symbols: code([...Array(144).fill(8), ...Array(112).fill(9), ...Array(24).fill(7), ...Array(8).fill(8)]),
  distances: code(Array(32).fill(5)),
};

/** A stream is not what its entry says: `clause` and `found` tell how. */
export class StreamError extends Error {
  constructor(clause, found) {
    super(found);
    this.clause = clause;
    this.found = found;
  }
}

/**
 * Inflate a stream that is to give `size` bytes (a BigInt) and to end where its bytes do.
 *
 * Nothing is allocated from `size`: memory grows with what comes out, which stops one byte behind
 * it. Throws StreamError for the first fault in the order of the stream.
 */
export function inflate(bytes, size) {
  return finish(inflating(bytes, size));
}

/**
 * Do the same as a generator, in steps of some milliseconds: one block can hold any amount.
 *
 * RangeError: more than `most` bytes come out, or more than there is memory for.
 */
export function* inflating(bytes, size, most = Infinity) {
  const input = new Bits(bytes);
  const output = new Output(size, most);
  checkStart(input.bits(16));
  for (let last = 0; !last;) {
    last = input.bits(1);
    yield* inflateBlock(input, output, input.bits(2));
    yield;
  }
  input.toByte();
  const stored = [0, 0, 0, 0].reduce((sum) => sum * 256 + input.bits(8), 0);
  const data = output.bytes();
  if (stored !== (yield* adler32(data))) throw broken('its Adler-32 is wrong');
  if (BigInt(data.length) < size) throw new StreamError('T4-ZLIB-2', `one of ${data.length} bytes`);
  const surplus = bytes.length - input.position;
  if (surplus > 0) throw new StreamError('T4-ZLIB-3', `${surplus} bytes behind its end`);
  return data;
}

/** The Adler-32 of bytes, in steps. */
function* adler32(bytes) {
  let [low, high] = [1, 0];
  for (let start = 0; start < bytes.length;) {
    const end = Math.min(start + 3800, bytes.length); // sums stay below 2 ** 31
    for (; start < end; start++) high += low += bytes[start];
    low %= 65521;
    high %= 65521;
    if (start % STEP < 3800) yield;
  }
  return high * 65536 + low;
}

function checkStart(start) {
  const [method, flags] = [start & 255, start >> 8];
  if ((method * 256 + flags) % 31) throw broken('the check bits of its header are wrong');
  if ((method & 15) !== 8) throw broken(`its method is ${method & 15}, not 8`);
  if (method >> 4 > 7) throw broken('its window is more than 32 KiB');
  if (flags & 32) throw broken('it needs a preset dictionary');
}

function* inflateBlock(input, output, type) {
  if (type === 3) throw broken('a block of type 3');
  if (type === 0) {
    copyStored(input, output);
    return;
  }
  const codes = type === 1 ? FIXED : dynamicCodes(input);
  while (!inflateSymbols(input, output, codes, output.length + STEP)) yield;
}

function copyStored(input, output) {
  input.toByte();
  const [size, complement] = [input.bits(16), input.bits(16)];
  if (size !== (complement ^ 0xffff)) throw broken('the lengths of a stored block disagree');
  for (let left = size; left; left--) output.put(input.bits(8));
}

function dynamicCodes(input) {
  const [symbolCount, distanceCount, orderCount] = counts(input.bits(14));
  if (symbolCount > 286 || distanceCount > 30) throw broken('too many codes');
  const orderLengths = Array(19).fill(0);
  for (let at = 0; at < orderCount; at++) orderLengths[ORDER[at]] = input.bits(3);
  // Where there is no code for lengths, as in zlib each bit is one of the length 0.
  const orderCode = orderLengths.some(Boolean) ? code(orderLengths, true) : { counts: [0, 2], symbols: [0, 0] };
  const lengths = readLengths(input, orderCode, symbolCount + distanceCount);
  if (!lengths[END_OF_BLOCK]) throw broken('no code ends the block');
  return {
    symbols: code(lengths.slice(0, symbolCount)),
    distances: code(lengths.slice(symbolCount)),
  };
}

function counts(bits) {
  return [(bits & 31) + 257, (bits >> 5 & 31) + 1, (bits >> 10) + 4];
}

function readLengths(input, orderCode, count) {
  const lengths = [];
  while (lengths.length < count) {
    const symbol = input.symbol(orderCode);
    if (symbol < 16) {
      lengths.push(symbol);
      continue;
    }
    const repeat = symbol === 18 ? 11 + input.bits(7) : 3 + input.bits(symbol === 16 ? 2 : 3);
    if (symbol === 16 && !lengths.length) throw broken('a length repeats none');
    if (lengths.length + repeat > count) throw broken('a length is repeated too often');
    lengths.push(...Array(repeat).fill(symbol === 16 ? lengths.at(-1) : 0));
  }
  return lengths;
}

/** Inflate until the block ends, or so many bytes are there, and tell whether it ended. */
function inflateSymbols(input, output, { symbols, distances }, enough) {
  while (output.length < enough) {
    const symbol = input.symbol(symbols);
    if (symbol === END_OF_BLOCK) return true;
    if (symbol < END_OF_BLOCK) {
      output.put(symbol);
      continue;
    }
    if (symbol > 285) throw broken(`code ${symbol}, which stands for nothing`);
    const length = LENGTHS[symbol - 257] + input.bits(LENGTH_BITS[symbol - 257]);
    const near = input.symbol(distances);
    if (near > 29) throw broken(`distance code ${near}, which stands for nothing`);
    output.repeat(length, DISTANCES[near] + input.bits(DISTANCE_BITS[near]));
  }
  return false;
}

/**
 * Section 3.2.2: the code that lengths stand for. Symbols are in the order of their codes, and
 * `counts` tells how many codes have each length. A set of codes is complete; only literals,
 * lengths and distances can have a single code of one bit, or none.
 */
function code(lengths, mustBeComplete = false) {
  const counts = Array(16).fill(0);
  for (const length of lengths) counts[length]++;
  const used = lengths.length - counts[0];
  counts[0] = 0;
  let open = 1;
  for (let length = 1; length < 16; length++) {
    open = 2 * open - counts[length];
    if (open < 0) throw broken('more codes than there can be');
  }
  const alone = used === 0 || (used === 1 && counts[1] === 1);
  if (open && (mustBeComplete || !alone)) throw broken('fewer codes than there must be');
  const symbols = [...lengths.keys()].filter((symbol) => lengths[symbol]);
  symbols.sort((one, other) => lengths[one] - lengths[other]); // sorting is stable
  return { counts, symbols };
}

function leastValues(first, bits) {
  let next = first;
  return bits.map((width) => (next += 1 << width) - (1 << width));
}

function broken(how) {
  return new StreamError('T4-ZLIB-1', how);
}

/** Bits of bytes, lowest first; what is not there has been cut. */
class Bits {
  constructor(bytes) {
    this.source = bytes;
    this.position = 0; // of the next byte
    this.hold = 0;
    this.held = 0;
  }

  bits(count) {
    while (this.held < count) {
      if (this.position === this.source.length) throw new StreamError('T4-ZLIB-3', 'one that is cut');
      this.hold |= this.source[this.position++] << this.held;
      this.held += 8;
    }
    const value = this.hold & ((1 << count) - 1);
    this.hold >>>= count;
    this.held -= count;
    return value;
  }

  toByte() {
    this.hold = this.held = 0; // fewer than eight are held
  }

  symbol({ counts, symbols }) {
    if (!symbols.length) {
      this.bits(1);
      throw broken('a code where there is none');
    }
    // Codes of one length are numbers in a row, and begin where the shorter ones end.
    for (let [length, value, first, index] = [1, 0, 0, 0]; length < 16; length++) {
      value = 2 * value + this.bits(1);
      const count = counts[length];
      if (value - first < count) return symbols[index + value - first];
      if (symbols.length === 1) break;
      index += count;
      first = 2 * (first + count);
    }
    throw broken('a code that stands for nothing');
  }
}

/** Bytes that come out, at most one more than are wanted. */
class Output {
  constructor(size, most) {
    this.size = size;
    this.most = most;
    this.limit = size < 2n ** 32n ? Number(size) : Infinity; // no array is larger
    this.data = new Uint8Array(256);
    this.length = 0;
  }

  put(byte) {
    if (this.length === this.limit) {
      throw new StreamError('T4-ZLIB-2', `one of more than ${this.size} bytes`);
    }
    if (this.length === this.data.length) {
      if (this.length >= this.most) throw new RangeError(`a tensor of more than ${this.most} bytes`);
      const larger = new Uint8Array(Math.min(2 * this.length, this.limit, Math.max(this.most, 256)));
      larger.set(this.data);
      this.data = larger;
    }
    this.data[this.length++] = byte;
  }

  repeat(length, distance) {
    if (distance > this.length) throw broken('a match before the first byte');
    for (let left = length; left; left--) this.put(this.data[this.length - distance]);
  }

  bytes() {
    return this.data.subarray(0, this.length);
  }
}

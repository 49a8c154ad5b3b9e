// A decoded tensor -> its elements as numbers, as raw bits, and as text that round-trips.
//
// Typed arrays over the file's own bytes where they are aligned, so that a large tensor costs no
// copy; FP16, for which JavaScript has no such array everywhere, becomes float32.

const ARRAYS = {
  float32: [Float32Array, Uint32Array],
  float16: [Uint16Array, Uint16Array],
  int8: [Int8Array, Uint8Array],
  int32: [Int32Array, Uint32Array],
};
const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The most digits that a number of the type needs to be told from its neighbours. */
const DIGITS = { float32: 9, float16: 5 };

/** The elements of a tensor: `values`, a typed array of numbers, and the `bits` they are stored as. */
export class Numbers {
  /** Takes `dtype` and `elements`: bytes, little-endian, in C order. */
  constructor({ dtype, elements }) {
    const [Values, Bits] = ARRAYS[dtype];
    const { buffer, byteOffset, byteLength } = native(elements, Bits.BYTES_PER_ELEMENT);
    const count = byteLength / Bits.BYTES_PER_ELEMENT;
    this.dtype = dtype;
    this.bits = new Bits(buffer, byteOffset, count);
    this.values = dtype === 'float16' ? halves(this.bits) : new Values(buffer, byteOffset, count);
  }

  /** An element as text: the fewest digits that give the same value when read back. */
  text(index) {
    return numberText(this.values[index], this.dtype);
  }

  /** The bits of an element in hexadecimal, most significant digit first. */
  hex(index) {
    return `0x${this.bits[index].toString(16).padStart(2 * this.bits.BYTES_PER_ELEMENT, '0')}`;
  }
}

/** A number of a type as text, with the fewest digits that give it back when rounded to the type. */
export function numberText(value, dtype) {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+inf' : '-inf';
  if (Object.is(value, -0)) return '-0';
  const round = { float32: Math.fround, float16: roundToHalf }[dtype];
  if (!round) return `${value}`;
  for (let digits = 1; digits < DIGITS[dtype]; digits++) {
    const short = candidates(value, digits).find((number) => round(number) === value);
    if (short !== undefined) return `${short}`;
  }
  return `${Number(value.toPrecision(DIGITS[dtype]))}`;
}

/**
 * Decimal numbers of so many digits: the one nearest to a value, and the next one away from zero. At
 * a power of two, where the gaps between values widen, that one can be right where the first is not.
 */
function candidates(value, digits) {
  const [mantissa, exponent] = value.toExponential(digits - 1).split('e');
  const whole = Number(mantissa.replace('.', ''));
  const scale = Number(exponent) - digits + 1;
  return [whole, whole + Math.sign(value)].map((number) => Number(`${number}e${scale}`));
}

/** The nearest number that FP16 has, ties to even. */
export function roundToHalf(value) {
  const size = Math.abs(value);
  // 11 bits of a normal number, from 2 ** -14 on; the steps of subnormal ones are all alike.
  const exponent = Math.max(Math.floor(Math.log2(size)), -14);
  const step = 2 ** (exponent - 10);
  const steps = size / step;
  const down = Math.floor(steps);
  const up = steps - down > 0.5 || (steps - down === 0.5 && down % 2 === 1);
  const rounded = (down + up) * step;
  return Math.sign(value) * (rounded > 65504 ? Infinity : rounded);
}

const HALVES = Float32Array.from({ length: 65536 }, (_, bits) => {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, bits >> 10 & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
});

function halves(bits) {
  const values = new Float32Array(bits.length);
  for (let at = 0; at < bits.length; at++) values[at] = HALVES[bits[at]];
  return values;
}

/** Bytes as the machine's typed arrays want them: aligned, and in its own order. */
function native(bytes, size) {
  if (LITTLE_ENDIAN && bytes.byteOffset % size === 0) return bytes;
  const copy = Uint8Array.from(bytes);
  if (!LITTLE_ENDIAN) for (let at = 0; at < copy.length; at += size) copy.subarray(at, at + size).reverse();
  return copy;
}

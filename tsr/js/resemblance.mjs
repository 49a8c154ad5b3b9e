// The first bytes of a file that is no TSR -> what it looks like, or undefined.

const BEGINNINGS = [
  [[0x93, ...letters('NUMPY')], 'an array of NumPy (.npy)'],
  [[0x89, ...letters('HDF\r\n'), 0x1a, 0x0a], 'an HDF5 file'],
  [[0x89, ...letters('PNG\r\n'), 0x1a, 0x0a], 'a PNG image'],
  [[0xff, 0xd8, 0xff], 'a JPEG image'],
  [[0x1f, 0x8b], 'a gzip file'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'a file compressed by Zstandard'],
  [[0xfd, ...letters('7zXZ'), 0], 'an xz file'],
  [letters('BZh'), 'a bzip2 file'],
  [[0x7f, ...letters('ELF')], 'a program (ELF)'],
  [letters('%PDF'), 'a PDF document'],
  [letters('GGUF'), 'a GGUF model'],
  [letters('!RST'), 'a TSR v1 file whose magic has its bytes in reverse order'],
  [letters('4RST'), 'a TSR4 file whose magic has its bytes in reverse order'],
];
const LOOKED_AT = 512;

/** Say what bytes look like, with an article: 'a zip archive'. */
export function resemblance(bytes) {
  if (!bytes.length) return 'an empty file';
  const start = bytes.subarray(0, LOOKED_AT);
  const known = BEGINNINGS.find(([magic]) => begins(start, magic));
  if (known) return known[1];
  if (begins(start, [...letters('PK'), 3, 4]) || begins(start, [...letters('PK'), 5, 6])) return archive(start);
  if (start[0] === 0x80 && start[1] >= 2 && start[1] <= 5) return 'a pickle, as torch.save wrote before its version 1.6';
  if (isSafetensors(bytes, start)) return 'a safetensors file';
  if (start.every((byte) => byte === 0)) return 'nothing but zero bytes';
  return textKind(start);
}

function archive(start) {
  const inside = String.fromCharCode(...start);
  if (inside.includes('data.pkl')) return 'a file of torch.save (.pt, a zip archive)';
  return inside.includes('.npy') ? 'arrays of NumPy in a zip archive (.npz)' : 'a zip archive';
}

/** Eight bytes tell the size of a JSON object that follows them. */
function isSafetensors(bytes, start) {
  if (start.length < 10 || start[8] !== 0x7b) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
  return view.getBigUint64(0, true) < 1n << 27n && (start[9] === 0x22 || start[9] === 0x7d);
}

function textKind(start) {
  let text;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(start, { stream: true });
  } catch {
    return undefined;
  }
  if (/[\0-\x08\x0e-\x1a\x1c-\x1f]/.test(text)) return undefined;
  if (/^\s*<(!doctype|html|\?xml|svg)/i.test(text)) return 'a page or document in a markup language';
  if (/^\s*[{[]\s*("|[{[\]}\d-])/.test(text)) return 'JSON';
  return 'text';
}

function begins(bytes, magic) {
  return magic.length <= bytes.length && magic.every((byte, at) => bytes[at] === byte);
}

function letters(text) {
  return [...text].map((letter) => letter.charCodeAt(0));
}

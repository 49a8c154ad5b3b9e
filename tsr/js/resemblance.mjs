// The first bytes of a file that is no TSR -> what it looks like, in the words of tsr/diagnosis/resemblance.py.

const LOOKED_AT = 4096;
const SAFETENSORS_MAX = 100_000_000n; // bytes of the longest header that safetensors reads

const BEGINNINGS = [
  ['!RST', 'a TSR v1 file with its bytes in reverse order'],
  ['4RST', 'a TSR4 file with its bytes in reverse order'],
  ['\x93NUMPY', 'an array file of numpy (.npy)'],
  ['\x89HDF\r\n\x1a\n', 'an HDF5 file (.h5)'],
  ['\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.', 'a torch file in the old style (.pt)'],
  ['\x1f\x8b', 'compressed with gzip'],
  ['\x28\xb5\x2f\xfd', 'compressed with zstd'],
  ['\xfd7zXZ\0', 'compressed with xz'],
  ['BZh', 'compressed with bzip2'],
  ['\x04\x22\x4d\x18', 'compressed with lz4'],
  ['\x89PNG\r\n\x1a\n', 'a PNG image'],
  ['\xff\xd8\xff', 'a JPEG image'],
  ['GIF8', 'a GIF image'],
  ['II*\0', 'a TIFF image'],
  ['MM\0*', 'a TIFF image'],
  ['%PDF-', 'a PDF document'],
  ['\x7fELF', 'a program or library'],
  ['GGUF', 'a GGUF model'],
  ['PAR1', 'a Parquet table'],
  ['ARROW1', 'an Arrow file'],
  ['SQLite format 3\0', 'an SQLite database'],
  ['MATLAB 5.0', 'a MATLAB file'],
  ['version https://git-lfs', 'a pointer of Git LFS, not the file'],
  ['PK\x05\x06', 'an empty zip archive'],
];

/** Say what bytes look like: 'a zip archive'. */
export function resemblance(bytes) {
  const start = bytes.subarray(0, LOOKED_AT);
  const text = String.fromCharCode(...start);
  if (!start.length) return 'an empty file';
  if (start.every((byte) => byte === 0)) {
    return start.length < LOOKED_AT ? 'nothing but zeros' : 'zeros, at its beginning at least';
  }
  if (text.length < 4 && 'TSR'.startsWith(text)) return 'the first bytes of a TSR file';
  return BEGINNINGS.find(([magic]) => text.startsWith(magic))?.[1]
    ?? (archive(text) || safetensors(start, text) || readable(start) || shifted(text) || 'no format that is known here');
}

function archive(text) {
  if (text.slice(257, 262) === 'ustar') return 'a tar archive';
  if (/^\x80[\x02-\x05]/.test(text)) return 'a pickle of Python, which can run code when it is read';
  if (!text.startsWith('PK\x03\x04')) return '';
  const member = text.slice(30, 30 + text.charCodeAt(26) + 256 * text.charCodeAt(27));
  if (member.endsWith('.npy')) return 'arrays of numpy in a zip archive (.npz)';
  return /\/(data\.pkl|byteorder|\.format_version|version)$/.test(member) ? 'a torch file (.pt)' : 'a zip archive';
}

/** Eight bytes tell the size of a JSON object that follows them. */
function safetensors(start, text) {
  if (!['{"', '{}'].includes(text.slice(8, 10))) return '';
  const length = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  return length >= 2n && length <= SAFETENSORS_MAX ? 'a safetensors file' : '';
}

function readable(start) {
  if (start[0] + start[1] === 0x1fd && start[0] >= 0xfe) return 'text in UTF-16';
  let text;
  try {
    // The last character can be cut.
    text = new TextDecoder('utf-8', { fatal: true }).decode(start, { stream: true });
  } catch {
    return '';
  }
  if (/[\0-\x08\x0b\x0e-\x1f\x7f-\x9f]/.test(text)) return '';
  const beginning = text.trimStart();
  if (/^(<!doctype|<html)/i.test(beginning)) return 'a web page';
  return /^[[{]/.test(beginning) && isJson(beginning, start.length < LOOKED_AT) ? 'JSON' : 'text';
}

function isJson(text, isComplete) {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return !isComplete && /^.\s*["{[]/.test(text);
  }
}

function shifted(text) {
  for (const [magic, kind] of [['TSR!', 'TSR v1'], ['TSR4', 'TSR4']]) {
    const at = text.indexOf(magic);
    if (at > 0) return `a ${kind} file from offset ${at} on`;
  }
  return text.startsWith('TSR') ? 'a TSR file of a kind that no writer is known to make' : '';
}

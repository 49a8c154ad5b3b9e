// Bytes of a header and a directory -> their fields: name, place, value, and what that means.
//
// Nothing is checked: fields are shown as far as the bytes go, of broken files too. The places come
// in as `tables`, which tsr/page/tables.py makes from the layout that the Python package uses.

const TYPES = {
  v1: { 1: 'FP32, IEEE 754 binary32', 2: 'INT8', 3: 'INT32' },
  tsr4: { 0: 'FP32, IEEE 754 binary32', 1: 'FP16, IEEE 754 binary16', 2: 'INT8', 3: 'INT32' },
};
const ANNOUNCED = { 4: 'FP16', 5: 'BF16', 6: 'FP64', 7: 'INT16', 8: 'UINT8' };

/** What fields mean, by the kind that their colour shows too. */
const KINDS = {
  magic: 'identity', version: 'identity', version_major: 'identity', version_minor: 'identity',
  header_size: 'structure', entry_size: 'structure', dir_offset: 'structure', data_offset: 'structure',
  tensor_count: 'structure', file_mode: 'structure', row_stride: 'structure',
  dtype: 'type', ndim: 'shape', dims: 'shape', shape: 'shape',
  total_elements: 'size', numel: 'size', nbytes: 'size', payload_size: 'size',
  header_crc32: 'checksum', data_crc32: 'checksum',
};

/** 'v1' or 'tsr4', by the first bytes: all but a TSR4 magic is held against TSR v1. */
export function formatOf(bytes) {
  return String.fromCharCode(...bytes.subarray(0, 4)) === 'TSR4' ? 'tsr4' : 'v1';
}

/**
 * The fields of the header, in order.
 *
 * Each has `name`, `offset`, `size`, `kind`, `clauses` (ids), `value` (text) and `meaning` (text).
 * `size` is what the file has of it: the last field of a file that is cut can be shorter.
 */
export function headerFields(bytes, tables) {
  const format = formatOf(bytes);
  return fieldsOf(bytes, tables[format].header, format, 0, '');
}

/** The fields of an entry of the directory of a TSR4 file, in order. */
export function entryFields(bytes, tables, index) {
  const { header_size: header, entry_size: size, entry } = tables.tsr4;
  return fieldsOf(bytes, entry, 'tsr4', header + size * index, `entries[${index}].`);
}

function fieldsOf(bytes, table, format, start, prefix) {
  const fields = [];
  for (const row of table) {
    const items = row.items === 1 ? [[row.name, row.offset]] : itemsOf(row);
    for (const [name, place] of items) {
      const [offset, size] = [start + place, row.size / row.items];
      const there = Math.min(size, bytes.length - offset);
      if (there <= 0) return fields;
      const stored = bytes.subarray(offset, offset + there);
      const value = there === size ? valueOf(stored, row.type) : undefined;
      fields.push({
        name: prefix + name, offset, size: there, kind: KINDS[row.name] ?? 'reserved', clauses: row.clauses,
        value: value === undefined ? 'cut' : text(value, row.name),
        meaning: value === undefined ? 'The file ends in this field.' : meaningOf(format, row.name, value, name),
      });
    }
  }
  return fields;
}

function itemsOf({ name, offset, size, items }) {
  return Array.from({ length: items }, (_, index) => [`${name}[${index}]`, offset + index * size / items]);
}

function valueOf(stored, type) {
  if (type === 'bytes') return stored;
  const view = new DataView(stored.buffer, stored.byteOffset, stored.byteLength);
  return {
    uint8: () => view.getUint8(0), uint16: () => view.getUint16(0, true), uint32: () => view.getUint32(0, true),
    int32: () => view.getInt32(0, true), int64: () => view.getBigInt64(0, true), uint64: () => view.getBigUint64(0, true),
  }[type]();
}

function text(value, name) {
  if (name === 'magic') return `${hex(value)}, in ASCII ${ascii(value)}`;
  if (value instanceof Uint8Array) return value.some(Boolean) ? hex(value) : `${value.length} zero bytes`;
  return name.endsWith('crc32') ? `0x${value.toString(16).padStart(8, '0')}` : `${value}`;
}

const MAGICS = { 'TSR!': 'A file of TSR version 1.', TSR4: 'A file of TSR4.' };
const MODES = ['RAW: payloads are stored as they are.', 'ZLIB: each payload is a zlib stream.'];

/** What a field's value means, given the format, the value and the name. */
const MEANINGS = {
  magic: (format, value) => MAGICS[ascii(value)] ?? 'The magic of no TSR format.',
  version: () => 'The version of the format.',
  version_major: () => 'The version of the format, before the point.',
  version_minor: () => 'The version of the format, behind the point.',
  header_size: (format, value) => `The header takes ${value} bytes.`,
  entry_size: (format, value) => `Each entry of the directory takes ${value} bytes.`,
  dir_offset: (format, value) => `The directory begins at offset ${value}.`,
  file_mode: (format, value) => MODES[value] ?? 'A mode that TSR4 does not have.',
  tensor_count: (format, value) => `The file holds ${counted(value, 'tensor')}.`,
  ndim: (format, value) => `The tensor has rank ${value}.`,
  dims: () => 'A dimension; the shape is the last ndim of the four, the ones before are 1.',
  shape: (format, value, name) => `The dimension ${'NHWC'[name.at(-2)]}.`,
  total_elements: (format, value) => `${counted(value, 'element')}: the product of dims.`,
  numel: (format, value) => `${counted(value, 'element')}: the product of shape.`,
  nbytes: (format, value) => `The elements take ${counted(value, 'byte')}.`,
  payload_size: (format, value) => `The payload takes ${counted(value, 'byte')} in the file.`,
  data_offset: (format, value) => `The payload begins at offset ${value}.`,
  row_stride: (format, value) => (
    `Rows were ${counted(value, 'byte')} apart in the memory of the writer; readers neither check nor use it.`
  ),
  header_crc32: () => 'The CRC-32 of the header, with this field taken as 0.',
  data_crc32: () => "The CRC-32 of the elements' bytes.",
  dtype: (format, value) => {
    if (TYPES[format][value]) return `The element type: ${TYPES[format][value]}.`;
    const announced = format === 'v1' && ANNOUNCED[value];
    return announced ? `${announced}, which was announced for later versions.` : 'No element type.';
  },
};

function meaningOf(format, field, value, name) {
  return MEANINGS[field]?.(format, value, name) ?? 'Reserved: zeros.';
}

function counted(value, unit) {
  return `${value.toLocaleString('en')} ${unit}${BigInt(value) === 1n ? '' : 's'}`;
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
}

function ascii(bytes) {
  return Array.from(bytes, (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('');
}

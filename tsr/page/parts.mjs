// A file and one of its tensors -> the parts of the file that the hexdump shows, in order.

import { entryFields, headerFields } from '../js/anatomy.mjs';
import { byteSize } from './dom.mjs';

/** Parts of a file: fields of the header, of the tensor's entry, its payload. */
export function partsOf(file, index, tables) {
  const { bytes, size, fault } = file;
  const header = headerFields(bytes, tables);
  if (fault?.looksLike) return unknownParts(header, fault, size);
  const entry = file.format === 'tsr4' ? entryFields(bytes, tables, entryOf(fault) ?? index) : [];
  const tensor = file.tensors[index];
  return tensor ? [...header, ...entry, payload(file, tensor), ...surplus(fault)] : [...header, ...entry, ...rest(file, header, entry, tables)];
}

/** The entry that an explanation is about. */
function entryOf(fault) {
  const found = /^(?:entries|payload)\[(\d+)\]/.exec(fault?.field ?? '');
  return found ? Number(found[1]) : undefined;
}

function payload({ format, compressed }, { index, offset, storedSize }) {
  const streamed = compressed ? ['T4-ZLIB-1', 'T4-ZLIB-2', 'T4-ZLIB-3'] : [];
  return {
    name: format === 'v1' ? 'payload' : `payload[${index}]`,
    offset: Number(offset), size: Number(storedSize), kind: 'payload', value: byteSize(storedSize),
    meaning: compressed ? 'A zlib stream of the elements.' : 'The elements, little-endian, in C order.',
    clauses: format === 'v1' ? ['V1-PAYLOAD-1', 'V1-PAYLOAD-2'] : ['T4-PAYLOAD-1', ...streamed],
  };
}

/** Bytes after the end, which are a part of their own. */
function surplus(fault) {
  if (fault?.field !== 'end of file') return [];
  const { offset, size } = fault.wrong;
  return [{
    name: 'end of file', offset, size, kind: 'other', value: byteSize(size),
    meaning: 'Nothing has its place here.', clauses: [fault.clause],
  }];
}

/** Where the header is wrong, nobody knows what follows it. */
function rest({ format, size }, header, entry, tables) {
  const after = (entry.at(-1) ?? header.at(-1));
  const offset = after ? Math.max(after.offset + after.size, tables[format].header_size) : 0;
  if (offset >= size) return [];
  const name = format === 'v1' ? 'payload' : 'what follows';
  return [{
    name, offset, size: size - offset, kind: 'payload', value: byteSize(size - offset),
    meaning: 'Not looked at: what stands before it breaks a clause.', clauses: [],
  }];
}

/** Of a file that is no TSR the fields would be made up: only its beginning is shown. */
function unknownParts([magic], fault, size) {
  if (!magic) return [];
  const others = {
    name: 'what follows', offset: magic.size, size: size - magic.size, kind: 'payload', value: byteSize(size - magic.size),
    meaning: `The file looks like this: ${fault.looksLike}.`, clauses: [],
  };
  return others.size ? [magic, others] : [magic];
}

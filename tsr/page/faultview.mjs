// The explanation of an invalid file -> what the page says of it.

import { byId, byteSize, grouped } from './dom.mjs';

/** Show what is wrong with a file; nothing where nothing is. */
export function showFault({ name, fault, size }) {
  byId('fault').hidden = !fault;
  if (!fault) return;
  const text = {
    'fault-title': `${name} is not valid`,
    'fault-looks': fault.looksLike ? `This is no TSR file. What it looks like: ${fault.looksLike}.` : '',
    'fault-clause': fault.clause,
    'fault-sentence': fault.sentence,
    'fault-where': `${fault.field} at offset ${grouped(fault.offset)}${extent(fault.wrong, size)}`,
    'fault-found': fault.found,
    'fault-expected': fault.expected,
    'fault-mend': fault.mend,
  };
  for (const [id, value] of Object.entries(text)) byId(id).textContent = value;
  byId('fault-looks').hidden = !fault.looksLike;
}

function extent({ size, missing }, fileSize) {
  if (missing) return `: ${byteSize(missing)} missing behind the ${grouped(fileSize)} that are there`;
  return size > 1 ? `, ${byteSize(size)}` : '';
}

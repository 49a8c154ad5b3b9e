// What header and directory say of a tensor, and what the page lacks of it.

import { byId, byteSize, element, grouped, shapeText } from './dom.mjs';

/** Show the title and the facts of a tensor. */
export function showFacts(tensor) {
  const { file, index } = tensor;
  byId('tensor-title').textContent = file.tensors.length > 1 ? `${file.name} · tensor ${index}` : file.name;
  byId('facts').replaceChildren(...factsOf(tensor).map(([name, value]) => (
    element('li', {}, element('span', { class: 'quiet' }, name), ' ', element('b', {}, value))
  )));
  byId('sampled').hidden = !tensor.sample;
  if (tensor.sample) byId('sampled').textContent = samplingOf(tensor);
}

function factsOf({ dtype, shape, count, size, offset, storedSize, crc32, rowStride, file }) {
  const facts = [
    ['dtype', dtype],
    ['shape', shapeText(shape)],
    ['elements', grouped(count)],
    ['size', byteSize(size)],
    ['offset', grouped(offset)],
    ['format', file.format === 'v1' ? 'TSR v1' : `TSR4 ${file.compressed ? 'zlib' : 'raw'}`],
  ];
  if (file.compressed) facts.push(['stored', byteSize(storedSize)]);
  if (crc32 === undefined) return facts;
  return [...facts, ['CRC-32', `0x${crc32.toString(16).padStart(8, '0')}`], ['row stride', grouped(rowStride)]];
}

/** Of a file that is not in the page whole: what there is. */
function samplingOf({ shape, grid, sample: { lookedAt }, count }) {
  const isPart = grid.planes.some((there, axis) => there < shape[axis]);
  const planes = isPart ? ` of the first ${grid.planes.join(' × ')} matrices` : '';
  const looked = lookedAt < count ? `${grouped(lookedAt)} elements, spread evenly` : 'all elements';
  return 'Sampled: this file is too large to be in the page. The picture has'
    + ` every ${ordinal(grid.rowStep)}row and every ${ordinal(grid.columnStep)}column${planes};`
    + ` the statistics are of ${looked}.`;
}

function ordinal(step) {
  return ['', 'second ', 'third '][step - 1] ?? `${step}th `;
}

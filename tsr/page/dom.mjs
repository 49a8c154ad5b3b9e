// What the parts of the page make elements with. Text goes in as text nodes only, never as markup.

/** Make an element with attributes and children; children are elements or text. */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Make an element of SVG. */
export function graphic(tag, attributes = {}, ...children) {
  return filled(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
}

function filled(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, '');
    else if (value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** The element with an id, which the page has. */
export function byId(id) {
  return document.getElementById(id);
}

/** A whole number as text, in groups of three digits. */
export function grouped(number) {
  return number.toLocaleString('en');
}

/** A number of bytes as text: exactly, and in a unit that is easier to read. */
export function byteSize(size) {
  const number = Number(size);
  const power = Math.min(Math.floor(Math.log2(Math.max(number, 1)) / 10), 4);
  const exact = `${grouped(size)} ${number === 1 ? 'byte' : 'bytes'}`;
  return power ? `${exact} (${(number / 1024 ** power).toPrecision(3)} ${['', 'KiB', 'MiB', 'GiB', 'TiB'][power]})` : exact;
}

/** A shape as text: 2 × 3; of a scalar, ( ). */
export function shapeText(shape) {
  return shape.length ? shape.join(' × ') : '( )';
}

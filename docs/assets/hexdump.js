// The fields of hexdumps tell what they are: under the pointer, with the keyboard's focus, on a tap.
//
// What they tell stands in the table below each dump. Among the fields of a dump the arrow keys
// lead from one to the next, so that the tabulator goes from dump to dump.

'use strict';

// What is wrong with the file of a dump, as it is shown before a field is pointed at.
const faults = new WeakMap();

const buttonsOf = (dump) => [...dump.querySelectorAll('button[data-part]')];

function show(dump, index) {
  for (const shown of dump.querySelectorAll('.shown')) shown.classList.remove('shown');
  for (const piece of dump.querySelectorAll(`[data-part="${index}"]`)) piece.classList.add('shown');
  const row = dump.querySelector('tbody').rows[index];
  const [name, offset, size, value, meaning] = [...row.cells].map((cell) => cell.textContent);
  const said = dump.querySelector('.dump-said');
  const title = document.createElement('b');
  title.textContent = name;
  const bytes = size === '1' ? '1 byte' : `${size} bytes`;
  said.replaceChildren(title, ` at offset ${offset}, ${bytes}`);
  if (value) {
    const code = document.createElement('code');
    code.textContent = value;
    said.append(': ', code);
  }
  if (meaning) said.append(` — ${meaning}`);
  const isWrong = row.classList.contains('wrong');
  said.classList.toggle('wrong', isWrong);
  if (isWrong) said.append(document.createElement('br'), faults.get(dump));
}

function pointed(event) {
  const piece = event.target.closest?.('.dump [data-part]');
  if (piece) show(piece.closest('.dump'), Number(piece.dataset.part));
}

function moved(event) {
  const button = event.target.closest?.('.dump button[data-part]');
  if (!button) return;
  const buttons = buttonsOf(button.closest('.dump'));
  const at = buttons.indexOf(button);
  const next = {
    ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1,
    Home: 0, End: buttons.length - 1,
  }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  if (buttons[next]) {
    button.tabIndex = -1;
    buttons[next].tabIndex = 0;
    buttons[next].focus();
  }
}

for (const kind of ['pointerover', 'focusin', 'click']) document.addEventListener(kind, pointed);
document.addEventListener('keydown', moved);
for (const dump of document.querySelectorAll('figure.dump')) {
  faults.set(dump, dump.querySelector('.dump-said').textContent);
  buttonsOf(dump).forEach((button, index) => { button.tabIndex = index ? -1 : 0; });
}

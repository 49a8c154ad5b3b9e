// The page: a list of files and tensors, what is chosen in it, and files that are dropped.

import { byId } from './dom.mjs';
import { embeddedBytes, readFile, release, sampledFile } from './files.mjs';
import { FileList } from './filelist.mjs';
import { Anatomy } from './anatomyview.mjs';
import { showFault } from './faultview.mjs';
import { TensorView } from './tensorview.mjs';
import { keepTheme } from './theme.mjs';

const LIST_EVERY = 200; // ms between additions to the list, which cost a layout each

const data = JSON.parse(byId('data').textContent);
const rules = { tables: data.tables, clauses: data.clauses };
const anatomy = new Anatomy(rules);
const tensorView = new TensorView();
const list = new FileList(byId('list'), show, remove);

function show({ file, tensor }) {
  byId('empty').hidden = true;
  showFault(file);
  tensorView.show(tensor);
  anatomy.show(file, tensor?.index ?? 0);
}

/** Take the chosen file off the list. */
function remove() {
  const file = list.chosen;
  if (!file) return;
  list.remove(file);
  release(file);
  if (!list.files.length) showNothing();
  say(list.files.length ? summary(list.files) : '');
}

function showNothing() {
  for (const id of ['fault', 'anatomy']) byId(id).hidden = true;
  tensorView.show(undefined);
  byId('empty').hidden = false;
  byId('choose-first').focus(); // the list that had the focus is gone
}

/** Read files one after the other, `fileOf()` each, and show the first of them. */
async function open(sources) {
  const trouble = [];
  let [first, read, since] = [undefined, [], performance.now()];
  for (const [index, { name, fileOf }] of sources.entries()) {
    try {
      read.push(await fileOf());
    } catch (error) {
      // The browser gives no more than it has memory for, and names its reason.
      trouble.push(`${name} cannot be read here (${error.name}: ${error.message}); `
        + 'of a large file, "tsr view --html" makes a page. ');
    }
    if (index < sources.length - 1 && performance.now() - since < LIST_EVERY) continue;
    list.add(read);
    if (!first && read.length) list.choose(first = read[0]);
    [read, since] = [[], performance.now()];
    if (index < sources.length - 1) say(`Reading ${sources[index + 1].name} …`);
  }
  if (sources.length) say(trouble.join('') + summary(list.files));
}

function summary(files) {
  const invalid = files.filter(({ fault }) => fault).length;
  return `${files.length} ${files.length === 1 ? 'file' : 'files'}, ${invalid ? `${invalid} not valid` : 'all valid'}`;
}

/** A file that the page carries, whole or reduced. */
function carried(record) {
  const bytes = embeddedBytes(record);
  return record.reduced ? sampledFile(record.name, bytes, record.reduced, rules) : readFile(record.name, bytes, rules);
}

function say(text) {
  byId('status').textContent = text;
}

function openChosen(files) {
  return open(Array.from(files, (file) => ({
    name: file.name,
    fileOf: async () => readFile(file.name, new Uint8Array(await file.arrayBuffer()), rules),
  })));
}

function acceptDrops() {
  const veil = byId('veil');
  const isFiles = (event) => event.dataTransfer?.types.includes('Files');
  document.addEventListener('dragover', (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
    veil.hidden = false;
  });
  document.addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) veil.hidden = true;
  });
  document.addEventListener('drop', (event) => {
    if (!isFiles(event)) return;
    event.preventDefault();
    veil.hidden = true;
    openChosen(event.dataTransfer.files);
  });
}

function acceptChoices() {
  const chooser = byId('chooser');
  for (const id of ['choose', 'choose-first']) byId(id).addEventListener('click', () => chooser.click());
  chooser.addEventListener('change', async () => {
    await openChosen(chooser.files);
    chooser.value = ''; // so that the same file can be chosen again
  });
}

keepTheme(byId('theme'));
byId('remove').addEventListener('click', remove);
acceptDrops();
acceptChoices();
open(data.files.map((record) => ({ name: record.name, fileOf: async () => carried(record) })));

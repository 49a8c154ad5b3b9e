// The list of files and their tensors; an invalid file is one entry, with the clause that it breaks.

import { byteSize, element, shapeText } from './dom.mjs';
import { Listbox } from './listbox.mjs';

const TENSORS_MAX = 1000; // entries that a file has in the list

export class FileList {
  /**
   * `onChoice({ file, tensor })` is called for what is chosen; `tensor` can be undefined.
   * `onDelete()` is called when the key for it is pressed.
   */
  constructor(box, onChoice, onDelete) {
    this.box = box;
    this.files = [];
    this.groups = new Map();
    this.count = 0; // of files that were ever there
    box.addEventListener('keydown', ({ key }) => { if (key === 'Delete') onDelete(); });
    this.targets = new Map();
    this.listbox = new Listbox(box, (option) => onChoice(this.targets.get(option)));
  }

  add(files) {
    this.box.append(...files.map((file) => this.group(file)));
    this.listbox.set([...this.targets.keys()]);
  }

  /** The file that is chosen, if there is one. */
  get chosen() {
    return this.targets.get(this.listbox.active)?.file;
  }

  /** Take a file away, and choose the one that follows, or else the one before. */
  remove(file) {
    const at = this.files.indexOf(file);
    this.files.splice(at, 1);
    this.groups.get(file).remove();
    this.groups.delete(file);
    for (const [option, target] of this.targets) if (target.file === file) this.targets.delete(option);
    this.listbox.set([...this.targets.keys()]);
    const next = this.files[Math.min(at, this.files.length - 1)];
    if (next) this.choose(next);
  }

  group(file) {
    const group = this.count++;
    this.files.push(file);
    const title = element('p', { class: 'file', id: `file-${group}`, role: 'presentation' }, file.name);
    const options = file.tensors.length ? this.tensors(file, group) : [this.broken(file, group)];
    const made = element('div', { role: 'group', 'aria-labelledby': title.id }, title, ...options);
    this.groups.set(file, made);
    return made;
  }

  /** Make the first entry of a file the active one. */
  choose(file) {
    const [option] = [...this.targets].find(([, target]) => target.file === file);
    this.listbox.activate(option);
  }

  tensors(file, group) {
    const shown = file.tensors.slice(0, TENSORS_MAX).map((tensor) => {
      const option = this.option(`option-${group}-${tensor.index}`, { file, tensor }, [
        element('span', { class: 'index' }, file.tensors.length > 1 ? `${tensor.index}` : ''),
        element('span', { class: 'shape' }, shapeText(tensor.shape).replaceAll(' ', '')),
        element('span', { class: `dtype ${tensor.dtype}` }, tensor.dtype),
        element('span', { class: 'size' }, byteSize(tensor.size).replace(/.*\((.*)\)/, '$1')),
      ]);
      if (file.fault) option.dataset.clause = file.fault.clause;
      return option;
    });
    const left = file.count - shown.length;
    const note = element('p', { class: 'quiet small', role: 'presentation' }, `and ${left} more ${left === 1 ? 'tensor' : 'tensors'}`);
    const fault = element('p', { class: 'broken small', role: 'presentation' }, `⚠ ${file.fault?.clause}`);
    return [...(file.fault ? [fault] : []), ...shown, ...(left ? [note] : [])];
  }

  broken(file, group) {
    const option = this.option(`option-${group}`, { file }, [
      element('span', { class: 'broken' }, `⚠ ${file.fault.clause}`),
      element('span', { class: 'size' }, byteSize(file.size).replace(/.*\((.*)\)/, '$1')),
    ]);
    option.dataset.clause = file.fault.clause;
    return option;
  }

  option(id, target, children) {
    const made = element('div', { id, role: 'option', 'aria-selected': 'false', class: 'option' }, ...children);
    this.targets.set(made, target);
    return made;
  }
}

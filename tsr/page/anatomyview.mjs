// The hexdump and, beside it, what the part under the pointer or the keyboard's cursor means.

import { byId, element } from './dom.mjs';
import { hexdumpRows } from './hexdump.mjs';
import { Listbox } from './listbox.mjs';
import { partsOf } from './parts.mjs';

/** The kinds of parts that have a colour each. */
const KINDS = {
  identity: 'format and version', structure: 'structure of the file', type: 'element type', shape: 'rank and shape',
  size: 'counts and sizes', checksum: 'checksums', reserved: 'reserved', payload: 'payload',
};

export class Anatomy {
  constructor(rules) {
    this.rules = rules;
    this.box = byId('hexdump');
    this.listbox = new Listbox(this.box, (option) => this.describe(Number(option.dataset.part)));
    this.box.addEventListener('pointerover', (event) => this.point(event));
    this.box.addEventListener('pointerleave', () => this.describe(this.chosen));
    this.box.addEventListener('click', (event) => {
      // Any byte of a part stands for its first ones.
      const part = event.target.closest('[data-part]')?.dataset.part;
      this.listbox.activate(this.listbox.options.find((option) => option.dataset.part === part));
    });
  }

  /** Show header and directory of a file, as far as a tensor needs them. */
  show(file, index) {
    const { bytes, size, fault } = file;
    this.parts = partsOf(file, index, this.rules.tables);
    byId('anatomy').hidden = false;
    byId('anatomy-title').textContent = file.format === 'tsr4' ? 'Header and directory' : 'Header';
    const { rows, options } = hexdumpRows({ bytes, size, parts: this.parts, wrong: fault?.wrong });
    this.box.replaceChildren(...rows);
    this.listbox.set(options);
    this.describe(undefined);
    const wrong = this.box.querySelector('.wrong[data-part]')?.dataset.part;
    const first = options.find((option) => option.dataset.part === wrong);
    if (first) this.listbox.activate(first);
  }

  get chosen() {
    return this.listbox.active ? Number(this.listbox.active.dataset.part) : undefined;
  }

  point(event) {
    const part = event.target.closest('[data-part]')?.dataset.part;
    if (part !== undefined) this.describe(Number(part));
  }

  /** What the colours mean, where no part is described. */
  legend() {
    const present = Object.entries(KINDS).filter(([kind]) => this.parts.some((part) => part.kind === kind));
    return [
      element('p', { class: 'quiet' }, 'Point at bytes, or go through the fields with the arrow keys.'),
      element('ul', { class: 'kinds' }, ...present.map(([kind, meaning]) => (
        element('li', {}, element('span', { class: `key kind-${kind}` }), meaning)
      ))),
    ];
  }

  describe(index) {
    for (const run of this.box.querySelectorAll('.lit')) run.classList.remove('lit');
    const part = this.parts[index];
    if (!part) {
      byId('field').replaceChildren(...this.legend());
      return;
    }
    for (const run of this.box.querySelectorAll(`[data-part="${index}"]`)) run.classList.add('lit');
    byId('field').replaceChildren(
      element('h4', {}, element('span', { class: `key kind-${part.kind}` }), part.name),
      element('p', { class: 'quiet small' }, placeOf(part)),
      element('p', { class: 'stored' }, element('code', {}, part.value)),
      element('p', {}, part.meaning),
      ...part.clauses.map((id) => this.clause(id)),
    );
  }

  clause(id) {
    return element('p', { class: 'clause' }, element('code', { class: 'badge' }, id), ` ${this.rules.clauses[id].sentence}`);
  }
}

function placeOf({ offset, size }) {
  return `offset ${offset} (0x${offset.toString(16)}), ${size} ${size === 1 ? 'byte' : 'bytes'}`;
}

// Tensors that are loaded -> how many of them a page holds: the latest, up to so many bytes.
//
// A few bytes of a compressed file can stand for any number. What is dropped is inflated again when
// somebody asks for it.

const LIMIT = 1 << 28; // bytes that are held in all

/** The most bytes that a compressed tensor may have, for it is inflated in one piece. */
export const TENSOR_MAX = 1 << 30;

export class Memory {
  constructor(limit = LIMIT) {
    this.limit = limit;
    this.held = new Map(); // from the oldest to the latest
    this.size = 0;
  }

  /** Bytes that can still be held without anything being dropped. */
  get left() {
    return Math.max(this.limit - this.size, 0);
  }

  /** Hold a tensor of so many bytes, whatever it takes; the oldest are told to `drop()` theirs. */
  hold(tensor, size) {
    this.release(tensor);
    this.held.set(tensor, size);
    this.size += size;
    for (const oldest of this.held.keys()) {
      if (this.size <= this.limit || oldest === tensor) return;
      this.release(oldest);
      oldest.drop();
    }
  }

  /** Count a tensor no longer. */
  release(tensor) {
    this.size -= this.held.get(tensor) ?? 0;
    this.held.delete(tensor);
  }
}

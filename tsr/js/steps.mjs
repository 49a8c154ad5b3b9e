// Generators that do long work in steps of some milliseconds -> what they return.
//
// A program takes the steps in one go; a page lets go of its thread in between, so that it stays
// responsive. What a step throws is thrown here.

const PATIENCE = 12; // ms until the page is let go: less than a frame

/** Take all steps and give what the generator returns. */
export function finish(steps) {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** Do the same, but let events be handled in between; `signal` can abort it there. */
export async function patiently(steps, signal) {
  for (let since = performance.now(); ;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (performance.now() - since > PATIENCE) {
      await new Promise((resolve) => setTimeout(resolve));
      signal?.throwIfAborted();
      since = performance.now();
    }
  }
}

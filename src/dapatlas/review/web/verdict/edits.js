// Undo and redo: every step that was taken, whether it has been saved or not.
import { same } from "./content.js";

const LONGEST = 500; // steps
const PAUSE_MS = 1500; // typing in one field goes on as one step until one rests so long

export class Edits {
  #past = [];
  #future = [];
  #last = { what: null, at: 0 };

  constructor(content) {
    this.now = content;
  }

  get undoable() {
    return this.#past.length > 0;
  }

  get redoable() {
    return this.#future.length > 0;
  }

  /** Take a step to this content; `what` says what is done, `typed` that it may be one of many keystrokes. */
  push(content, what, typed = false) {
    if (same(content, this.now)) return;
    const at = Date.now();
    const goesOn = typed && what === this.#last.what && at - this.#last.at < PAUSE_MS && !this.#future.length;
    if (!goesOn) this.#past.push({ content: this.now, what });
    if (this.#past.length > LONGEST) this.#past.shift();
    this.#future = [];
    this.#last = { what: typed ? what : null, at };
    this.now = content;
  }

  /** What was undone; nothing where there is nothing to undo. */
  undo() {
    return this.#step(this.#past, this.#future);
  }

  redo() {
    return this.#step(this.#future, this.#past);
  }

  #step(from, to) {
    const step = from.pop();
    if (!step) return null;
    to.push({ content: this.now, what: step.what });
    this.now = step.content;
    this.#last = { what: null, at: 0 };
    return step.what;
  }
}

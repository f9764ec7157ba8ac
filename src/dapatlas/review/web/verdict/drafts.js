// What is not saved yet is kept in this browser, too, until it is: a crash or a lost connection costs nothing.
import { forget, keep, kept, keptNames } from "../shell/storage.js";

const OLD_MS = 2 * 60 * 1000; // without locks: who has not written for so long is gone
const CLOSING_MS = 2000;
const PAGE = Array.from(crypto.getRandomValues(new Uint32Array(3)), (word) => word.toString(36)).join("");
const lockOf = (page) => `dapatlas.page.${page}`;

// Held as long as this page lives: drafts of a page whose lock nobody holds are left-overs.
navigator.locks?.request(lockOf(PAGE), () => new Promise(() => {}));

export class Drafts {
  /** `about` says whose draft of what: data set, reader, kind, case. */
  constructor(about) {
    this.prefix = `dapatlas.draft:${about.map(encodeURIComponent).join(":")}:`;
    this.adopted = [];
  }

  write(content, version) {
    keep(this.prefix + PAGE, { content, version, at: Date.now() });
  }

  /** Everything is saved: nothing needs to be kept. */
  drop() {
    for (const name of [this.prefix + PAGE, ...this.adopted]) forget(name);
    this.adopted = [];
  }

  /** Drafts that pages which are gone have left, the oldest first; they stay until the next `drop`. */
  async leftOver() {
    const found = await Promise.all(keptNames(this.prefix).map((name) => this.#leftBy(name)));
    return found.filter(Boolean).sort((one, other) => one.at - other.at);
  }

  async #leftBy(name) {
    const page = name.slice(this.prefix.length);
    const draft = kept(name);
    if (!draft?.content || (page !== PAGE && !(await isGone(page, draft)))) return null;
    this.adopted.push(name);
    return draft;
  }
}

async function isGone(page, draft) {
  if (!navigator.locks) return Date.now() - draft.at > OLD_MS; // plain HTTP from another machine has none
  try {
    // a page that is just closing, or being loaded anew, lets go of it in a moment
    return await navigator.locks.request(lockOf(page), { signal: AbortSignal.timeout(CLOSING_MS) }, () => true);
  } catch {
    return false;
  }
}

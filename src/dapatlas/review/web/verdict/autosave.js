// Saving by itself: soon after each change, again when it failed, and never over somebody else's work.
import { api, casePath } from "../shell/api.js";
import { contentOf, same } from "./content.js";
import { Drafts } from "./drafts.js";

const DELAY_MS = 700;
const LONGEST_WAIT_S = 30;
const SMALL = 60_000; // a request that outlives its page may have 64 KiB

/**
 * Keeps one verdict saved. Fires `state` whenever `state`, `savedAt` or `verdict` change, and `theirs` when the
 * content has been replaced by the server's.
 *
 * States: "clean" (all saved, or nothing written yet), "waiting" (will be saved in a moment), "saving", "failed" (will
 * be tried again), "refused" (the server will not have it), "signed-out", "conflict" (`theirs` is what the server has).
 */
export class Autosave extends EventTarget {
  #timer = 0;
  #tries = 0;
  #running = null;
  #renew = false;

  constructor({ id, kind, mapSha256, verdict, dataset, reader }) {
    super();
    this.id = id;
    this.kind = kind;
    this.mapSha256 = mapSha256;
    this.reader = reader;
    this.drafts = new Drafts([dataset, reader, kind, id]);
    this.state = "clean";
    this.reason = "";
    this.theirs = null;
    this.#take(verdict);
    this.content = this.base.content;
    this.again = () => void this.flush();
    window.addEventListener("online", this.again);
    api.addEventListener("back", this.again);
  }

  close() {
    clearTimeout(this.#timer);
    window.removeEventListener("online", this.again);
    api.removeEventListener("back", this.again);
  }

  get savedAt() {
    return this.verdict?.saved_at ?? null;
  }

  get unsaved() {
    return this.#renew || !same(this.content, this.base.content);
  }

  /** Take up what pages that are gone have left unsaved; returns the contents, the oldest first. */
  async takeUpDrafts() {
    const drafts = (await this.drafts.leftOver()).filter((draft) => !same(draft.content, this.base.content));
    const newest = drafts.at(-1);
    if (!newest) {
      this.drafts.drop();
      return [];
    }
    const contents = drafts.map((draft) => contentOf(draft.content));
    this.content = contents.at(-1);
    if (!this.verdict || newest.version === this.base.version) this.#plan(DELAY_MS);
    else this.#clash(this.verdict);
    return contents;
  }

  change(content) {
    this.content = content;
    if (this.state === "conflict") {
      this.drafts.write(content, this.base.version);
      return this.#tell();
    }
    if (!this.unsaved) {
      clearTimeout(this.#timer);
      if (!this.#running) this.#settle();
      return this.#tell();
    }
    this.drafts.write(content, this.base.version);
    return this.#plan(DELAY_MS);
  }

  /** Save the same content once more, as seen on the map that is there now. */
  renew(mapSha256) {
    this.mapSha256 = mapSha256;
    this.#renew = true;
    return this.flush();
  }

  /** Save now; done when all is saved or it is known that it cannot be. */
  flush() {
    clearTimeout(this.#timer);
    if (this.state === "conflict") return Promise.resolve();
    if (api.session?.reader?.name !== this.reader) return this.#waitForReader();
    this.#running ??= this.#run().finally(() => (this.#running = null));
    return this.#running;
  }

  /** In a conflict: save mine on top of theirs, which stays in the history. */
  keepMine() {
    this.#take(this.theirs);
    this.theirs = null;
    this.#set("waiting");
    return this.flush();
  }

  /** In a conflict: go on from theirs. Mine is given back, for undo. */
  takeTheirs() {
    const mine = this.content;
    this.adopt(this.theirs);
    this.theirs = null;
    return mine;
  }

  /** Go on from what the server has. */
  adopt(verdict) {
    this.#take(verdict);
    this.content = this.base.content;
    this.#settle();
    this.dispatchEvent(new CustomEvent("theirs"));
  }

  /** Somebody else has signed in: what is not saved yet is not theirs, and waits here, as a draft, for its reader. */
  #waitForReader() {
    if (this.unsaved) this.#set("signed-out");
    return Promise.resolve();
  }

  async #run() {
    while (this.unsaved && this.state !== "conflict") {
      const sent = this.content;
      this.#set("saving");
      try {
        this.#accept(await this.#put(sent), sent);
      } catch (error) {
        if (!this.#excused(error, sent)) return;
      }
    }
  }

  #put(content) {
    const body = { kind: this.kind, version: this.base.version, map_sha256: this.mapSha256, ...content };
    const keepalive = JSON.stringify(body).length < SMALL;
    return api.put(casePath(this.id, "/verdict"), body, { keepalive });
  }

  #accept(verdict, sent) {
    this.verdict = verdict;
    this.base = { version: verdict.version, content: sent };
    this.#tries = 0;
    this.#renew = false;
    if (this.unsaved) this.drafts.write(this.content, this.base.version);
    else this.#settle();
    this.dispatchEvent(new CustomEvent("saved", { detail: verdict }));
  }

  /** Whether to go on at once; otherwise the state tells what is wrong. */
  #excused(error, sent) {
    const theirs = error.status === 409 ? (error.body?.current ?? null) : null;
    if (error.code === "conflict" && !theirs && this.base.version) return this.#take(null), true; // it is gone
    if (theirs && theirs.version !== this.base.version) {
      // the answer to an earlier try was lost on the way, or what they have is what we began with
      if (same(theirs, sent) && !this.#renew) return this.#accept(theirs, sent), true;
      if (same(theirs, this.base.content)) return this.#take(theirs), true;
      this.#clash(theirs);
      return false;
    }
    this.reason = error.detail ?? String(error);
    if (error.status === 401) this.#set("signed-out");
    else if (error.passing) this.#tryLater(error);
    else this.#set("refused");
    return false;
  }

  #tryLater(error) {
    this.#tries += 1;
    const seconds = error.retryAfter || Math.min(LONGEST_WAIT_S, 2 ** this.#tries);
    this.#set("failed");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.again, 1000 * seconds);
  }

  #clash(theirs) {
    clearTimeout(this.#timer);
    this.theirs = theirs;
    this.#set("conflict");
  }

  #take(verdict) {
    this.verdict = verdict;
    this.base = { version: verdict?.version ?? 0, content: contentOf(verdict) };
  }

  #settle() {
    this.drafts.drop();
    this.#set("clean");
  }

  #plan(milliseconds) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.again, milliseconds);
    this.#set("waiting");
  }

  #set(state) {
    this.state = state;
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new CustomEvent("state"));
  }
}

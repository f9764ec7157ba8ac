// What others do to a case while one reads it, and whether its map is still the one that is shown.
import { api, casePath } from "../shell/api.js";
import { announce, toast } from "../shell/html.js";

/** Looks after the case of a verdict's panel, which is drawn anew with what is found. */
export class Others {
  claimed = null; // {by, until} where somebody else has the case
  news = []; // who saved a verdict while we were here
  mapChanged = false;
  #read; // who has read the case, and when they saved: {reader, saved_at}

  constructor(panel) {
    this.panel = panel;
    this.#read = panel.detail.also_read_by ?? [];
  }

  /** Say that one is still here; whoever else has the case is told of. */
  async claim() {
    try {
      await api.post(casePath(this.panel.id, "/claim"), {});
      this.claimed = null;
    } catch (error) {
      if (error.code === "claimed") this.claimed = error.body;
    }
    this.panel.draw();
  }

  /** What have others done to this case meanwhile? */
  async look() {
    const { panel } = this;
    try {
      const now = await api.get(casePath(panel.id));
      this.#note(now.also_read_by ?? []);
      if (now.map_sha256 !== panel.detail.map_sha256) this.mapChanged = true;
      this.#noteState(now.state);
      this.#noteOwn(panel.kind === "adjudication" ? now.adjudication : now.verdict);
      panel.draw();
    } catch {
      // the next look, or the next save, tells
    }
  }

  /** A verdict of one's own was saved; the answer tells of others, too. */
  saved(verdict) {
    this.#note(verdict.also_read_by ?? []);
    this.mapChanged = verdict.stale;
  }

  understood() {
    this.news = [];
    this.panel.draw();
  }

  #note(now) {
    const before = new Map(this.#read.map((one) => [one.reader, one.saved_at]));
    const fresh = now.filter((one) => before.get(one.reader) !== one.saved_at);
    this.#read = now;
    if (!fresh.length) return;
    this.news = fresh;
    announce(fresh.map((one) => `${one.reader} has saved a verdict on this case`).join(". "));
    if (this.panel.kind === "adjudication") this.panel.loadReadings();
    this.panel.draw();
  }

  /** How the case stands, which the head of its page tells. */
  #noteState(state) {
    const { detail, element } = this.panel;
    if (state === detail.state) return;
    detail.state = state;
    element.dispatchEvent(new CustomEvent("case-state", { bubbles: true }));
  }

  /** The same verdict may have been saved in another window. */
  #noteOwn(verdict) {
    const { saving } = this.panel;
    if (!verdict || verdict.version <= saving.base.version || saving.unsaved || saving.state !== "clean") return;
    saving.adopt(verdict);
    toast("This verdict was changed in another window; that is what is shown now.");
  }
}

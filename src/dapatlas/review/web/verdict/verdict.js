// What the reader says of a case: a decision, remarks, marks; saved by itself.
import { adjudicationPanel, loadReadings } from "./adjudication.js";
import { api } from "../shell/api.js";
import { Autosave } from "./autosave.js";
import { placeOf } from "./content.js";
import { decisions, kinds } from "./decisions.js";
import { Edits } from "./edits.js";
import { historyPanel } from "./history.js";
import { announce, html, nothing, render, toast } from "../shell/html.js";
import { bind } from "../shell/keys.js";
import { guardLeaving } from "../shell/leaving.js";
import { markForm, markList, Marking } from "./marks.js";
import { goToNext, reviewing } from "../pages/next.js";
import { notices } from "./notices.js";
import { Others } from "./others.js";
import { saveLine, spoken } from "./save_line.js";
import { DECISIONS, titled } from "../shell/words.js";

const LOOK_MS = 45_000; // how often to see what others have done
const CLAIM_MS = 10 * 60_000; // how often to say that one is still here

/** Build the panel into `element`. */
export function mountVerdict(element, { detail, scheme, viewer }) {
  const panel = new VerdictPanel(element, detail, scheme, viewer);
  panel.begin();
  return panel;
}

class VerdictPanel {
  constructor(element, detail, scheme, viewer) {
    this.element = document.createElement("div"); // of its own: what was in there, or is drawn there later, is not ours
    element.replaceChildren(this.element);
    Object.assign(this, { detail, scheme, viewer });
    this.id = detail.case;
    this.title = (name) => titled(scheme, name);
    this.marking = new Marking(this);
    this.others = new Others(this);
    this.readings = null;
    this.busy = false;
    this.shut = [];
    if (!api.may("adjudicator")) reviewing.kind = "reading";
  }

  begin() {
    this.element.className = "verdict";
    this.element.dataset.keys = "Verdict";
    this.shut.push(bind(this.element, this.keys()), guardLeaving({ unsaved: () => this.saving.unsaved, flush: () => this.saving.flush() }));
    this.every(LOOK_MS, () => this.others.look());
    this.every(CLAIM_MS, () => this.others.claim());
    this.listen(document, "visibilitychange", () => this.seen());
    this.listen(document, "add-mark", (event) => this.marking.openWith(event.detail ?? {}));
    if (this.viewer) this.listen(this.viewer, "moved", () => this.drawSoon());
    this.take(reviewing.kind);
    this.others.claim();
  }

  close() {
    cancelAnimationFrame(this.coming);
    this.saving.flush();
    this.saving.close();
    for (const undo of this.shut) undo();
    if (this.viewer) this.viewer.places.marks = [];
  }

  every(milliseconds, act) {
    const timer = setInterval(() => document.visibilityState === "visible" && act(), milliseconds);
    this.shut.push(() => clearInterval(timer));
  }

  listen(target, name, act) {
    target.addEventListener(name, act);
    this.shut.push(() => target.removeEventListener(name, act));
  }

  keys() {
    const typing = { typing: true };
    return {
      ...Object.fromEntries(Object.entries(DECISIONS).map(([name, [word, , key]]) => [key, [word, () => this.decide(name)]])),
      m: ["Mark what is wrong here", () => this.marking.openHere()],
      b: ["Mark with a box that is drawn", () => void this.marking.openWithBox()],
      "Ctrl+z": ["Undo", () => this.undo()],
      "Ctrl+Shift+z": ["Redo", () => this.redo()],
      "Ctrl+y": ["Redo", () => this.redo()],
      "Ctrl+s": ["Save now", () => void this.saving.flush(), typing],
      "Ctrl+Enter": ["Save, and on to the next case", () => void this.saveAndNext(), typing],
    };
  }

  /** Begin with the reading or the adjudication of this case. */
  take(kind) {
    const { session } = api;
    this.saving?.flush();
    this.saving?.close();
    reviewing.kind = kind;
    this.kind = kind;
    const verdict = kind === "adjudication" ? this.detail.adjudication : this.detail.verdict;
    this.saving = new Autosave({
      id: this.id,
      kind,
      mapSha256: this.detail.map_sha256,
      verdict,
      dataset: session.dataset?.name ?? "",
      reader: session.reader.name,
    });
    this.edits = new Edits(this.saving.content);
    const { saving } = this;
    saving.addEventListener("state", () => this.saving === saving && this.onState());
    saving.addEventListener("saved", (event) => this.onSaved(event.detail));
    saving.addEventListener("theirs", () => this.edits.push(saving.content, "what the server has"));
    this.takeUpDrafts();
    if (kind === "adjudication") this.loadReadings();
    this.draw();
  }

  async takeUpDrafts() {
    const { saving, edits } = this;
    const drafts = await saving.takeUpDrafts();
    if (!drafts.length || this.saving !== saving) return;
    for (const content of drafts) edits.push(content, "what was not saved");
    toast("What had not been saved the last time has been brought back.");
    this.draw();
  }

  async loadReadings() {
    try {
      this.readings = await loadReadings(this.id);
    } catch (error) {
      this.readings = { error: error.detail };
    }
    this.draw();
  }

  get content() {
    return this.edits.now;
  }

  /** Every change of the reader comes through here. */
  change(part, what, typed = false) {
    this.edits.push({ ...this.content, ...part }, what, typed);
    this.saving.change(this.content);
  }

  decide(decision) {
    const [word] = DECISIONS[decision] ?? ["No decision"];
    this.change({ decision }, "the decision");
    this.tell(word);
  }

  undo() {
    this.stepped(this.edits.undo(), "Undone");
  }

  redo() {
    this.stepped(this.edits.redo(), "Redone");
  }

  stepped(what, word) {
    if (what === null) return announce(word === "Undone" ? "There is nothing to undo" : "There is nothing to redo");
    this.saving.change(this.content);
    return this.tell(`${word}: ${what}`);
  }

  /** Say what a key did, also where the panel itself is out of sight. */
  tell(text) {
    if (this.element.checkVisibility()) announce(text);
    else toast(text);
  }

  jump(mark) {
    const listed = this.detail.structures.find((one) => one.name === mark.structure);
    const place = placeOf(mark) ?? listed?.center;
    if (!place || !this.viewer) return announce("This mark has no place");
    this.viewer.goToVoxel(place);
    return announce(`${this.title(mark.structure)} at ${place.join(", ")}`);
  }

  async saveAndNext() {
    if (this.busy) return;
    this.busy = true;
    try {
      await this.saving.flush();
      if (this.saving.unsaved) return void toast("It could not be saved yet, so the case stays open.", "bad");
      await goToNext(this.kind, this.id);
    } catch (error) {
      toast(error.detail ?? String(error), "bad");
    } finally {
      this.busy = false;
    }
  }

  onState() {
    const text = spoken(this.saving);
    if (text && text !== this.spoken) announce(text);
    this.spoken = text;
    this.draw();
  }

  onSaved(verdict) {
    const kind = verdict.kind === "adjudication" ? "adjudication" : "verdict";
    const before = this.detail[kind];
    this.detail[kind] = verdict;
    this.others.saved(verdict);
    if (before?.decision !== verdict.decision) this.others.look(); // the case may stand otherwise now
    this.draw();
  }

  seen() {
    if (document.visibilityState === "visible") this.others.look();
    else this.saving.flush();
  }

  draw() {
    render(this.template(), this.element);
    const area = this.element.querySelector(".remarks-text");
    if (area && area.value !== this.content.remarks) area.value = this.content.remarks;
    this.showPlaces();
  }

  /** Once a frame is enough while the crosshair is dragged about. */
  drawSoon() {
    this.coming ??= requestAnimationFrame(() => {
      this.coming = null;
      this.draw();
    });
  }

  showPlaces() {
    const { marks } = this.content;
    if (marks === this.shownMarks) return;
    this.shownMarks = marks;
    if (this.viewer) this.viewer.places.marks = marks.filter(placeOf).map(({ point, box, kind }) => (box ? { box, kind } : { point, kind }));
  }

  template() {
    return html`
      ${api.may("adjudicator") ? kinds(this) : nothing} ${notices(this)}
      ${this.kind === "adjudication" ? adjudicationPanel(this) : nothing}
      ${decisions(this)}
      <section>
        <label class="field">
          <span>Remarks</span>
          <textarea class="remarks-text" rows="3" maxlength="10000" placeholder="What should the next person know?"
            @input=${(event) => this.change({ remarks: event.target.value }, "the remarks", true)}></textarea>
        </label>
      </section>
      <section>
        <h2>Marks <span class="muted number">${this.content.marks.length || ""}</span></h2>
        ${markList(this)} ${markForm(this.marking)}
      </section>
      ${historyPanel(this)} ${saveLine(this)}
    `;
  }

  async reload() {
    await this.saving.flush();
    window.dispatchEvent(new CustomEvent("reopen"));
  }
}

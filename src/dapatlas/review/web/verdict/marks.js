// Marks: what is wrong with one structure, of which kind, where.
import { announce, html, icon, nothing } from "../shell/html.js";
import { MARK_KINDS } from "../shell/words.js";

/** The form for a new mark: closed, or open with what has been filled in so far. */
export class Marking {
  open = false;

  constructor(panel) {
    this.panel = panel;
    this.clear();
  }

  clear() {
    Object.assign(this, { open: false, typed: null, kind: "leaks", place: "point", box: null, point: null, note: "", problem: "", drawing: false });
  }

  get viewer() {
    return this.panel.viewer;
  }

  /** What is under the crosshair, as people call it. */
  get here() {
    const name = this.viewer?.structureAt ?? null;
    return name ? this.panel.title(name) : "";
  }

  get structureText() {
    return this.typed ?? this.here;
  }

  openHere() {
    if (this.open) this.panel.element.querySelector(".mark-form [list]").focus();
    else this.openWith({});
  }

  /** Open with what is known already: from a finding, say. */
  openWith({ structure = null, kind = null, box = null, point = null, note = "" }) {
    this.clear();
    this.open = true;
    if (structure) this.typed = this.panel.title(structure);
    if (kind) this.kind = kind;
    this.note = note;
    this.box = box;
    this.point = point; // a place of its own; otherwise the crosshair's, until the mark is added
    this.place = box ? "box" : "point";
    this.draw();
    this.panel.element.querySelector(".mark-form").scrollIntoView({ block: "nearest" });
    this.panel.element.querySelector(this.structureText ? ".mark-form input[name=mark-kind]:checked" : ".mark-form [list]")?.focus();
  }

  async openWithBox() {
    if (!this.open) this.openHere();
    await this.drawBox();
  }

  async drawBox() {
    if (!this.viewer) return;
    this.drawing = true;
    this.draw();
    announce("Draw a box over the picture; Escape leaves it");
    try {
      const box = await this.viewer.places.drawBox();
      if (box) this.box = box;
      this.place = this.box ? "box" : "point";
    } finally {
      this.drawing = false;
      this.draw();
    }
    this.panel.element.querySelector(".mark-form input[name=mark-kind]:checked")?.focus();
  }

  /** The structure that the words mean: its title or name, or the only one that begins so. */
  structure() {
    const words = this.structureText.trim().toLowerCase();
    if (!words) return null;
    const all = this.panel.scheme.structures;
    const called = (one) => [one.title.toLowerCase(), one.name.toLowerCase()];
    const exact = all.find((one) => called(one).includes(words));
    if (exact) return exact.name;
    const begun = all.filter((one) => called(one).some((name) => name.startsWith(words)));
    return begun.length === 1 ? begun[0].name : null;
  }

  add(event) {
    event.preventDefault();
    const structure = this.structure();
    if (!structure) {
      this.problem = this.structureText.trim() ? `No structure is called “${this.structureText}”.` : "Which structure is it?";
      this.draw();
      return this.panel.element.querySelector(".mark-form [list]").focus();
    }
    const point = this.place === "point" ? (this.point ?? this.viewer?.voxel ?? null) : null;
    const mark = { structure, kind: this.kind, note: this.note.trim(), point: point && [...point], box: this.place === "box" ? this.box : null };
    this.clear();
    this.panel.change({ marks: [...this.panel.content.marks, mark] }, `the mark of ${this.panel.title(structure)}`);
    announce(`Marked: ${this.panel.title(structure)}, ${MARK_KINDS[mark.kind]}`);
    return this.panel.element.querySelector(".add-mark")?.focus();
  }

  leave() {
    this.clear();
    this.draw();
    this.panel.element.querySelector(".add-mark")?.focus();
  }

  draw() {
    this.panel.draw();
  }
}

/** The marks so far; each can be jumped to, changed and deleted. */
export function markList(panel) {
  const { marks } = panel.content;
  if (!marks.length) return html`<p class="muted">Nothing is marked.</p>`;
  return html`<ul class="marks">${marks.map((mark, at) => markItem(panel, mark, at))}</ul>`;
}

function markItem(panel, mark, at) {
  const name = panel.title(mark.structure);
  const change = (part, typed) => {
    const marks = panel.content.marks.map((one, index) => (index === at ? { ...one, ...part } : one));
    panel.change({ marks }, `the mark of ${name}`, typed);
  };
  return html`<li>
    <div class="row">
      <button type="button" class="plain jump grow" @click=${() => panel.jump(mark)}>
        ${swatch(panel.scheme, mark.structure)} <span class="grow">${name}</span> ${mark.box ? icon("box") : mark.point ? icon("place") : nothing}
        <span class="visually-hidden">: go there</span>
      </button>
      <select aria-label="What is wrong with ${name}" .value=${mark.kind} @change=${(event) => change({ kind: event.target.value })}>
        ${Object.entries(MARK_KINDS).map(([kind, word]) => html`<option value=${kind} ?selected=${kind === mark.kind}>${word}</option>`)}
      </select>
    </div>
    <div class="row">
      <input type="text" class="grow" aria-label="Note on ${name}" placeholder="Note" maxlength="2000" .value=${mark.note}
        @input=${(event) => change({ note: event.target.value }, true)} />
      <button type="button" class="plain" aria-label="Delete the mark of ${name}" @click=${() => remove(panel, at, name)}>${icon("bin")}</button>
    </div>
  </li>`;
}

function remove(panel, at, name) {
  panel.change({ marks: panel.content.marks.filter((_, index) => index !== at) }, `deleting the mark of ${name}`);
  announce(`Deleted the mark of ${name}; undo brings it back`);
  const left = panel.element.querySelectorAll(".marks .jump");
  (left[Math.min(at, left.length - 1)] ?? panel.element.querySelector(".add-mark"))?.focus();
}

function swatch(scheme, structure) {
  const color = scheme.structures.find((one) => one.name === structure)?.color;
  return html`<svg class="swatch" viewBox="0 0 12 12" aria-hidden="true"><rect width="12" height="12" rx="3" fill=${color ?? "#888"} /></svg>`;
}

export function markForm(marking) {
  if (!marking.open) {
    return html`<p class="row">
      <button type="button" class="add-mark" aria-keyshortcuts="M" @click=${() => marking.openHere()}>
        Mark ${marking.here ? html`<strong>${marking.here}</strong>` : "a structure"} <kbd aria-hidden="true">M</kbd>
      </button>
    </p>`;
  }
  const escape = (event) => {
    if (event.key !== "Escape" || marking.drawing) return;
    event.stopPropagation();
    marking.leave();
  };
  const set = (part) => {
    Object.assign(marking, part);
    marking.draw();
  };
  return html`<form class="mark-form" aria-label="New mark" @submit=${(event) => marking.add(event)} @keydown=${escape}>
    <label class="field">
      <span>Structure</span>
      <input type="text" list="mark-structures" autocomplete="off" spellcheck="false" .value=${marking.structureText}
        aria-invalid=${marking.problem ? "true" : nothing} aria-describedby="mark-problem"
        @input=${(event) => set({ typed: event.target.value, problem: "" })} />
    </label>
    <datalist id="mark-structures">${marking.panel.scheme.structures.map((one) => html`<option value=${one.title}></option>`)}</datalist>
    <p id="mark-problem" class="bad-text" role="alert" ?hidden=${!marking.problem}>${marking.problem}</p>
    <fieldset class="chips">
      <legend>What is wrong</legend>
      ${Object.entries(MARK_KINDS).map(
        ([kind, word]) => html`<label
          ><input type="radio" name="mark-kind" .checked=${marking.kind === kind} @change=${() => set({ kind })} /><span>${word}</span></label
        >`,
      )}
    </fieldset>
    ${placeChoice(marking, set)}
    <label class="field"><span>Note</span><input type="text" maxlength="2000" .value=${marking.note} @input=${(event) => set({ note: event.target.value })} /></label>
    <div class="row">
      <button type="submit" class="primary">Add the mark</button>
      <button type="button" @click=${() => marking.leave()}>Cancel</button>
    </div>
  </form>`;
}

function placeChoice(marking, set) {
  const point = marking.point ?? marking.viewer?.voxel;
  const choices = [
    ["point", html`${icon("place")} ${marking.point ? "Place" : "Crosshair"} ${point ? html`<span class="number">${[...point].join(", ")}</span>` : nothing}`],
    ...(marking.box ? [["box", html`${icon("box")} Box <span class="number">${marking.box.map(([start, stop]) => stop - start).join(" × ")}</span>`]] : []),
    ["none", "No place"],
  ];
  return html`<fieldset class="chips">
    <legend>Where</legend>
    ${choices.map(
      ([place, words]) => html`<label
        ><input type="radio" name="mark-place" .checked=${marking.place === place} @change=${() => set({ place })} /><span>${words}</span></label
      >`,
    )}
    ${marking.viewer
      ? html`<button type="button" aria-keyshortcuts="B" aria-pressed=${marking.drawing} @click=${() => void marking.drawBox()}>
          ${icon("box")} ${marking.drawing ? "Drag over the picture" : "Draw a box"} <kbd aria-hidden="true">B</kbd>
        </button>`
      : nothing}
  </fieldset>`;
}

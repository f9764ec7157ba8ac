// The structures of a case: found by typing, gone to by Enter, shown alone.
import { UNKNOWN } from "./colours.js";
import { html, icon, nothing, render } from "../shell/html.js";
import { ranked } from "./search.js";

export class StructureList {
  #query = "";
  #here = null; // under the cross
  #only = null;

  /** `page` offers goToStructure(structure) and showOnly(name|null). */
  constructor(element, detail, scheme, page) {
    this.element = element;
    this.page = page;
    const present = new Map(detail.structures.map((structure) => [structure.name, structure]));
    const known = scheme.structures.filter((structure) => structure.id !== 0);
    const listed = known.map((structure) => ({ ...structure, ...present.get(structure.name), present: present.has(structure.name) }));
    const names = new Set(known.map((structure) => structure.name));
    const unknown = detail.structures.filter((structure) => !names.has(structure.name)); // labels the scheme lacks
    this.rows = [...listed, ...unknown.map((one) => ({ title: one.name, color: UNKNOWN, ...one, present: true }))];
    this.absent = this.rows.filter((row) => !row.present).length;
    this.draw();
  }

  /** Tell which structure is under the cross, and which is shown alone. */
  show(here, only) {
    if (here === this.#here && only === this.#only) return;
    this.#here = here;
    this.#only = only;
    this.draw();
  }

  focus() {
    const field = this.element.querySelector("input");
    field.focus();
    field.select();
  }

  get shown() {
    const rows = ranked(this.#query, this.rows, (row) => `${row.title} ${row.name}`);
    return this.#query ? rows : rows.filter((row) => row.present);
  }

  draw() {
    const rows = this.shown;
    render(
      html`<div class="search-line">
          <input type="search" placeholder="Find a structure" aria-label="Find a structure" autocomplete="off" spellcheck="false"
            aria-keyshortcuts="/" title="Type a few letters; Enter goes there (/)" .value=${this.#query}
            @input=${(event) => this.#typed(event.target.value)} @keydown=${(event) => this.#searchKey(event)} />
          <small class="number">${rows.length}</small>
        </div>
        <ul class="structures" aria-label="Structures" @keydown=${(event) => this.#listKey(event)}>
          ${rows.map((row) => this.#row(row))}
        </ul>
        ${rows.length ? nothing : html`<p class="empty">No structure is called that.</p>`}
        ${this.absent && !this.#query ? html`<p class="muted foot">${this.absent} structures of the scheme are not in this map. Type to find them.</p>` : nothing}`,
      this.element,
    );
  }

  #row(row) {
    const swatch = html`<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true"><rect width="10" height="10" fill=${row.color} /></svg>`;
    if (!row.present) {
      return html`<li class="absent">
        <span class="jump">${swatch}<span class="title">${row.title}</span><small>not in this map</small></span>
        <button type="button" class="small" @click=${() => this.#missing(row)}>Mark as missing</button>
      </li>`;
    }
    const alone = this.#only === row.name;
    return html`<li>
      <button type="button" class="plain jump" aria-current=${row.name === this.#here ? "true" : nothing} title="Go to ${row.title}"
        @click=${() => this.page.goToStructure(row)}>
        ${swatch}<span class="title">${row.title}</span><small class="number">${millilitres(row.ml)}</small>
      </button>
      <button type="button" class="plain small" aria-pressed=${alone} title=${alone ? "Show all structures" : `Hide all but ${row.title}`}
        aria-label="Only ${row.title}" @click=${() => this.page.showOnly(alone ? null : row.name)}>
        ${alone ? icon("tick") : nothing} Only
      </button>
    </li>`;
  }

  #typed(text) {
    this.#query = text.trim();
    this.draw();
    this.element.scrollTop = 0;
  }

  #missing({ name }) {
    document.dispatchEvent(new CustomEvent("add-mark", { detail: { structure: name, kind: "missing" } }));
  }

  #searchKey(event) {
    const first = this.shown.find((row) => row.present);
    if (event.key === "Enter" && first) this.page.goToStructure(first);
    else if (event.key === "ArrowDown") this.#jumps()[0]?.focus();
    else if (event.key === "Escape" && this.#query) this.#typed((event.target.value = ""));
    else return;
    event.preventDefault();
  }

  #listKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const jumps = this.#jumps();
    const at = jumps.indexOf(event.target.closest("li")?.querySelector("button.jump"));
    if (at + step < 0) this.focus();
    else jumps[at + step]?.focus();
    event.preventDefault();
  }

  #jumps() {
    return [...this.element.querySelectorAll("button.jump")];
  }
}

/** A volume with as many figures as it deserves. */
function millilitres(ml) {
  const digits = ml < 1 ? 2 : ml < 100 ? 1 : 0;
  return `${ml.toFixed(digits)} ml`;
}

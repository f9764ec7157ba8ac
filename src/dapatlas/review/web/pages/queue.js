// The cases in the order of the plan: what is done, what is next.
import { api } from "../shell/api.js";
import { announce, counted, html, icon, nothing, render, toast } from "../shell/html.js";
import { bind } from "../shell/keys.js";
import { goToNext, reviewing } from "./next.js";
import { planEditor } from "./plan.js";
import { decisionOf, STATE_NAMES, stateOf, stateWord } from "../shell/words.js";

const remembered = { state: "", text: "", at: null }; // while the page is loaded: back from a case, all is as it was

export async function openQueue(root) {
  const view = new Queue(root);
  await view.load();
  return view;
}

class Queue {
  constructor(root) {
    this.root = root;
    this.rows = [];
    this.plan = null;
    this.busy = false;
    this.unbind = bind("Cases", {
      ArrowDown: ["The case below", () => this.step(1)],
      ArrowUp: ["The case above", () => this.step(-1)],
      Home: ["The first case", () => this.step(-Infinity)],
      End: ["The last case", () => this.step(Infinity)],
      Enter: ["Open the case", () => this.openCurrent()],
      n: ["Next case to read", () => void this.next("reading")],
      ...(api.may("adjudicator") ? { j: ["Next case to adjudicate", () => void this.next("adjudication")] } : {}),
      "/": ["Find by text", () => this.root.querySelector("#find").focus()],
    });
    this.onFocus = () => document.visibilityState === "visible" && this.refresh();
    document.addEventListener("visibilitychange", this.onFocus);
  }

  close() {
    this.unbind();
    document.removeEventListener("visibilitychange", this.onFocus);
  }

  async load() {
    const { plan, cases } = await api.get("/api/cases");
    this.plan = plan;
    this.rows = cases.map((row) => ({ ...row, words: `${row.case} ${row.subject} ${row.claimed_by ?? ""}`.toLowerCase() }));
    this.draw();
    if (remembered.at) this.linkOf(remembered.at)?.scrollIntoView({ block: "center" });
  }

  async refresh() {
    try {
      await this.load();
    } catch {
      // what stands there stays; the next try tells
    }
  }

  get shown() {
    const words = remembered.text.toLowerCase().split(/\s+/).filter(Boolean);
    const { state } = remembered;
    return this.rows.filter((row) => (!state || row.state === state) && words.every((word) => row.words.includes(word)));
  }

  /** The one link that Tab comes to. */
  get current() {
    const shown = this.shown;
    return shown.some((row) => row.case === remembered.at) ? remembered.at : (shown[0]?.case ?? null);
  }

  linkOf(id) {
    return [...this.root.querySelectorAll("tbody a")].find((link) => link.dataset.case === id);
  }

  step(by) {
    const ids = this.shown.map((row) => row.case);
    if (!ids.length) return;
    const focused = document.activeElement?.dataset?.case;
    const at = ids.indexOf(focused ?? this.current);
    const to = focused === undefined && Number.isFinite(by) ? at : Math.min(ids.length - 1, Math.max(0, at + by));
    remembered.at = ids[to];
    this.draw();
    this.linkOf(ids[to]).focus();
  }

  openCurrent() {
    this.linkOf(this.current)?.click();
  }

  async next(kind) {
    if (this.busy) return;
    this.busy = true;
    try {
      await goToNext(kind);
    } catch (error) {
      toast(error.detail ?? String(error), "bad");
    } finally {
      this.busy = false;
    }
  }

  filter(change) {
    Object.assign(remembered, change);
    this.draw();
    announce(counted(this.shown.length, "case"));
  }

  draw() {
    const shown = this.shown;
    render(
      html`<section class="page queue">
        <header>
          <h1>Cases</h1>
          <div class="row">
            ${api.may("adjudicator")
              ? html`<button type="button" @click=${() => this.next("adjudication")}>${icon("unequal")} Next to adjudicate</button>`
              : nothing}
            <button type="button" class="primary" @click=${() => this.next("reading")}>${icon("next")} Next case</button>
          </div>
        </header>
        ${planEditor(this.plan, this.rows.length, () => this.load())}
        ${this.rows.length ? this.filters(shown) : nothing}
        ${this.rows.length ? this.table(shown) : this.empty()}
      </section>`,
      this.root,
    );
  }

  filters(shown) {
    const counts = new Map(STATE_NAMES.map((state) => [state, 0]));
    for (const row of this.rows) counts.set(row.state, (counts.get(row.state) ?? 0) + 1);
    const choices = [["", "All", this.rows.length], ...[...counts].filter(([, count]) => count).map(([state, count]) => [state, stateWord(state), count])];
    return html`<div class="filters" role="search" aria-label="Filter the cases">
      <fieldset class="chips">
        <legend class="visually-hidden">State</legend>
        ${choices.map(
          ([state, word, count]) => html`<label
            ><input type="radio" name="state" .checked=${remembered.state === state} @change=${() => this.filter({ state })} />
            <span>${word} <b class="number">${count}</b></span></label
          >`,
        )}
      </fieldset>
      <input type="search" id="find" class="grow" aria-label="Find by case, subject or reader" placeholder="Case, subject or reader"
        autocomplete="off" spellcheck="false" .value=${remembered.text} @input=${(event) => this.filter({ text: event.target.value })} />
      <span class="muted" id="shown">${counted(shown.length, "case")}</span>
    </div>`;
  }

  table(shown) {
    if (!shown.length) {
      return html`<div class="empty">
        <p>No case is like this.</p>
        <button type="button" @click=${() => this.filter({ state: "", text: "" })}>Show all cases</button>
      </div>`;
    }
    const current = this.current;
    return html`<table>
      <caption class="visually-hidden">Cases in the order in which they are read</caption>
      <thead>
        <tr>
          <th scope="col" class="c-case">Case</th>
          <th scope="col" class="c-state">State</th>
          <th scope="col" class="c-findings">Findings</th>
          <th scope="col" class="c-disagreement number">Experts differ</th>
          <th scope="col" class="c-readings number">Readings</th>
          <th scope="col" class="c-mine">Mine</th>
          <th scope="col">Claimed by</th>
        </tr>
      </thead>
      <tbody @click=${(event) => this.clicked(event)} @focusin=${(event) => this.focused(event)}>
        ${shown.map((row) => line(row, row.case === current))}
      </tbody>
    </table>`;
  }

  empty() {
    return html`<div class="empty">
      <p>There is no case to read.</p>
      <p>${this.plan?.sample === 0 ? "The plan takes a sample of no case." : "The data set has no cases with a label map."}</p>
    </div>`;
  }

  clicked(event) {
    const link = event.target.closest("tr")?.querySelector("a");
    if (!link) return;
    remembered.at = link.dataset.case;
    const settling = api.may("adjudicator") && this.rows.find((row) => row.case === remembered.at)?.state === "disagreement";
    reviewing.kind = settling ? "adjudication" : "reading";
    if (!event.target.closest("a") && !getSelection()?.toString()) location.hash = link.hash;
  }

  focused(event) {
    const id = event.target.dataset?.case;
    if (!id || id === remembered.at) return;
    const before = this.root.querySelector("tbody a[tabindex='0']");
    remembered.at = id;
    if (before && before !== event.target) this.draw();
  }
}

function line(row, current) {
  return html`<tr>
    <th scope="row"><a href="#/case/${encodeURIComponent(row.case)}" data-case=${row.case} tabindex=${current ? 0 : -1}>${row.case}</a></th>
    <td>${stateOf(row.state)}</td>
    <td>${findings(row)}</td>
    <td class="number">${disagreement(row.disagreement)}</td>
    <td class="number">${row.readings} of ${row.needed}</td>
    <td>${row.mine === null ? html`<span class="muted">–</span>` : decisionOf(row.mine)}${row.mine_stale ? html` ${stateOf("stale")}` : nothing}</td>
    <td>${row.claimed_by ?? html`<span class="muted">–</span>`}</td>
  </tr>`;
}

function findings({ errors, warnings, remarks, outliers }) {
  if (!errors && !warnings && !remarks && !outliers) return html`<span class="muted">none</span>`;
  const told = [
    [errors, "error", "bad-text", "cross"],
    [warnings, "warning", "warn-text", "warn"],
    [remarks, "remark", "muted", "pen"],
    [outliers, "outlier", "muted", "unequal"],
  ].filter(([count]) => count);
  return html`<span class="tally">
    ${told.map(
      ([count, word, tone, drawing]) => html`<span class="word ${tone}" title=${counted(count, word)}
        >${icon(drawing)} ${count}<span class="visually-hidden"> ${count === 1 ? word : `${word}s`}</span></span
      >`,
    )}
  </span>`;
}

function disagreement(value) {
  if (value === null || value === undefined) return html`<span class="muted">–</span>`;
  const percent = 100 * value;
  return html`<span class="meter">
    <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      <rect class="rail" width="100" height="10" rx="3" />
      <rect class="fill ${value > 0.3 ? "bad" : value > 0.15 ? "warn" : ""}" width=${Math.min(100, percent)} height="10" rx="3" />
    </svg>
    ${percent.toFixed(percent < 10 ? 1 : 0)} %
  </span>`;
}

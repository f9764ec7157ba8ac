// How far the review is, how much the readers agree, and which structures hold.
import { api } from "../shell/api.js";
import { counted, html, icon, moment, nothing, render } from "../shell/html.js";
import { reviewing } from "./next.js";
import { decisionOf, MARK_KINDS, STATE_NAMES, stateOf, titled } from "../shell/words.js";

const TONES = { approved: "good", remarks: "warn", stale: "warn", disagreement: "warn", rejected: "bad", unread: "muted" };

export async function openProgress(root) {
  const [progress, scheme] = await Promise.all([api.get("/api/progress"), api.get("/api/scheme")]);
  const view = { root, progress, scheme, sort: { by: "rate", down: false } };
  draw(view);
  return { close() {} };
}

function draw(view) {
  const { progress } = view;
  render(
    html`<section class="page">
      <header>
        <h1>Progress</h1>
        <a class="button" href="#/cases">To the cases</a>
      </header>
      ${states(progress.states)} ${disagreements(progress.disagreements)} ${readers(progress.readers)} ${pairs(progress.pairs)} ${structures(view)}
    </section>`,
    view.root,
  );
}

function states(counts) {
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const read = total - (counts.unread ?? 0);
  return html`<section class="panel" aria-labelledby="states">
    <h2 id="states">Cases</h2>
    <p>${read} of ${counted(total, "case")} looked at so far.</p>
    <table class="bars">
      <caption class="visually-hidden">Cases by state</caption>
      <thead class="visually-hidden">
        <tr><th scope="col">State</th><th scope="col">Cases</th><th scope="col">Share</th></tr>
      </thead>
      <tbody>
        ${STATE_NAMES.map(
          (state) => html`<tr>
            <th scope="row">${stateOf(state)}</th>
            <td class="number">${counts[state] ?? 0}</td>
            <td>${bar((counts[state] ?? 0) / (total || 1), TONES[state])}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}

function bar(share, tone = "") {
  return html`<svg viewBox="0 0 100 14" preserveAspectRatio="none" role="img" aria-label="${(100 * share).toFixed(0)} %">
    <rect class="rail" width="100" height="14" />
    <rect class="fill ${tone}" width=${100 * share} height="14" />
  </svg>`;
}

const settle = () => (reviewing.kind = "adjudication"); // who may not adjudicate reads, whatever this says

function disagreements(cases) {
  if (!cases.length) return nothing;
  return html`<section class="panel" aria-labelledby="disagreements">
    <h2 id="disagreements">Readers disagree on ${counted(cases.length, "case")}</h2>
    <p class="row">${cases.map((id) => html`<a class="button" href="#/case/${encodeURIComponent(id)}" @click=${settle}>${id}</a>`)}</p>
  </section>`;
}

function readers(rows) {
  return html`<section class="panel" aria-labelledby="by-reader">
    <h2 id="by-reader">Readers</h2>
    ${rows.length
      ? html`<div class="scroll" tabindex="0" role="group" aria-label="Table of readers">
          <table>
            <thead>
              <tr>
                <th scope="col">Reader</th>
                <th scope="col">Role</th>
                <th scope="col" class="number">Read</th>
                <th scope="col" class="number">${decisionOf("approve")}</th>
                <th scope="col" class="number">${decisionOf("remarks")}</th>
                <th scope="col" class="number">${decisionOf("reject")}</th>
                <th scope="col">Last saved</th>
              </tr>
            </thead>
            <tbody>
              ${rows.map(
                (row) => html`<tr>
                  <th scope="row">${row.reader}</th>
                  <td>${row.role ?? "–"}</td>
                  <td class="number">${row.read}</td>
                  <td class="number">${row.approve}</td>
                  <td class="number">${row.remarks}</td>
                  <td class="number">${row.reject}</td>
                  <td>${row.last_at ? moment(row.last_at) : "–"}</td>
                </tr>`,
              )}
            </tbody>
          </table>
        </div>`
      : html`<p class="muted">Nobody has read a case yet.</p>`}
  </section>`;
}

/** What a kappa is called: Landis and Koch's words (1977), which readers of the field know. */
function strength(kappa) {
  if (kappa <= 0) return kappa < 0 ? "worse than chance" : "no better than chance";
  const words = [
    [0.2, "slight"],
    [0.4, "fair"],
    [0.6, "moderate"],
    [0.8, "substantial"],
    [Infinity, "almost perfect"],
  ];
  return words.find(([limit]) => kappa <= limit)[1];
}

function pairs(rows) {
  if (!rows.length) return nothing;
  return html`<section class="panel" aria-labelledby="agreement">
    <h2 id="agreement">Agreement between readers</h2>
    <p class="muted">
      Over the cases that both have read. Kappa says how much of the agreement goes beyond what chance alone would give: 1 is full agreement, 0 no more than
      chance. Over few cases it says little.
    </p>
    <table>
      <thead>
        <tr><th scope="col">Readers</th><th scope="col" class="number">Cases</th><th scope="col" class="number">Same decision</th><th scope="col">Kappa</th></tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) => html`<tr>
            <th scope="row">${row.readers.join(" and ")}</th>
            <td class="number">${row.cases}</td>
            <td class="number">${percent(row.agreement)}</td>
            <td>${row.kappa === null ? html`<span class="muted">not defined: all their decisions are the same</span>` : `${row.kappa.toFixed(2)}, ${strength(row.kappa)}`}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </section>`;
}

const percent = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(0)} %`);

const COLUMNS = [
  { by: "structure", word: "Structure", value: (row) => row.title },
  { by: "read", word: "Read", number: true, value: (row) => row.read },
  { by: "marked", word: "Marked", number: true, value: (row) => row.marked },
  { by: "rate", word: "Held to be right", number: true, value: (row) => row.rate ?? 2 },
];

function structures(view) {
  const rows = view.progress.structures.map((row) => ({ ...row, title: titled(view.scheme, row.structure) }));
  const { by, down } = view.sort;
  const { value } = COLUMNS.find((column) => column.by === by);
  const order = (one, other) => (value(one) < value(other) ? -1 : value(one) > value(other) ? 1 : one.title.localeCompare(other.title));
  rows.sort((one, other) => (down ? -order(one, other) : order(one, other)));
  return html`<section class="panel" aria-labelledby="by-structure">
    <h2 id="by-structure">Structures</h2>
    ${rows.length
      ? html`<p class="muted">How often a structure went unmarked in the cases read; the line is the 95 % interval.</p>
          <div class="scroll" tabindex="0" role="group" aria-label="Table of structures">
            <table class="rates">
              <thead>
                <tr>
                  ${COLUMNS.map((column) => heading(view, column))}
                  <th scope="col"><span class="visually-hidden">Interval, drawn</span></th>
                  <th scope="col">Marks</th>
                </tr>
              </thead>
              <tbody>${rows.map(structure)}</tbody>
            </table>
          </div>`
      : html`<p class="muted">There is nothing to count yet: no case has been read.</p>`}
  </section>`;
}

function heading(view, { by, word, number }) {
  const { sort } = view;
  const on = sort.by === by;
  const turn = () => {
    view.sort = { by, down: on ? !sort.down : false };
    draw(view);
  };
  return html`<th scope="col" class=${number ? "number" : ""} aria-sort=${on ? (sort.down ? "descending" : "ascending") : nothing}>
    <button type="button" @click=${turn}>${word} <span aria-hidden="true">${on ? (sort.down ? "↓" : "↑") : ""}</span></button>
  </th>`;
}

function structure(row) {
  const kinds = Object.entries(row.kinds).filter(([, count]) => count);
  return html`<tr>
    <th scope="row">${row.title}</th>
    <td class="number">${row.read}</td>
    <td class="number">${row.marked}</td>
    <td class="number">${percent(row.rate)} <span class="muted">${percent(row.low)} to ${percent(row.high)}</span></td>
    <td>${row.rate === null ? nothing : interval(row)}</td>
    <td>${kinds.map(([kind, count]) => `${MARK_KINDS[kind]} ${count}`).join(", ") || html`<span class="muted">${icon("tick")} none</span>`}</td>
  </tr>`;
}

function interval({ rate, low, high }) {
  return html`<svg viewBox="0 0 100 14" preserveAspectRatio="none" aria-hidden="true">
    <rect class="rail" width="100" height="14" />
    <rect class="fill ${rate < 0.9 ? "warn" : "good"}" width=${100 * rate} height="14" />
    <line class="whisker" x1=${100 * low} x2=${100 * high} y1="7" y2="7" vector-effect="non-scaling-stroke" />
  </svg>`;
}

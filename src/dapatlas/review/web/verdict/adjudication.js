// The readings of a case side by side, for the one who decides between them.
import { api, casePath } from "../shell/api.js";
import { contentOf, joinedMarks } from "./content.js";
import { html, icon, moment, nothing } from "../shell/html.js";
import { decisionOf, MARK_KINDS, stateOf } from "../shell/words.js";

/** What every reader has said of this case. */
export async function loadReadings(id) {
  const { verdicts } = await api.get(casePath(id, "/verdicts"));
  return verdicts.filter((one) => one.kind === "reading");
}

export function adjudicationPanel(panel) {
  const { readings } = panel;
  if (readings === null) return html`<p class="muted" role="status">Loading the readings …</p>`;
  if (readings.error) return html`<p class="notice bad">${readings.error}</p>`;
  if (!readings.length) return html`<p class="muted">Nobody has read this case yet.</p>`;
  return html`<section aria-label="Readings" class="sides">${readings.map((reading) => side(panel, reading))}</section>`;
}

function side(panel, reading) {
  const take = () => panel.change(contentOf(reading), `taking over the reading of ${reading.reader}`);
  return html`<article aria-label="Reading of ${reading.reader}">
    <div class="row apart"><strong>${reading.reader}</strong> ${decisionOf(reading.decision)}</div>
    <div class="muted">${moment(reading.saved_at)} ${reading.stale ? stateOf("stale") : nothing}</div>
    ${reading.remarks ? html`<p class="preserved">${reading.remarks}</p>` : nothing}
    ${reading.marks.length ? html`<ul>${reading.marks.map((mark) => markLine(panel, mark))}</ul>` : html`<p class="muted">No marks</p>`}
    <button type="button" aria-label="Take over the reading of ${reading.reader}" @click=${take}>Take over</button>
  </article>`;
}

function markLine(panel, mark) {
  const name = panel.title(mark.structure);
  const add = () => panel.change({ marks: joinedMarks(panel.content.marks, [mark]) }, `the mark of ${name}`);
  return html`<li>
    <button type="button" class="plain jump" @click=${() => panel.jump(mark)}>${icon("place")} ${name}: ${MARK_KINDS[mark.kind].toLowerCase()}</button>
    <button type="button" class="plain" aria-label="Add this mark of ${name} to the adjudication" @click=${add}>Add</button>
    ${mark.note ? html`<span class="muted">${mark.note}</span>` : nothing}
  </li>`;
}

// Every saved version of this verdict: who, when, on which map; any of them can be brought back.
import { api, casePath } from "../shell/api.js";
import { contentOf } from "./content.js";
import { counted, html, moment, nothing, toast } from "../shell/html.js";
import { decisionOf } from "../shell/words.js";

/** A fold that asks the server when it is opened, and again after each save while it is open. */
export function historyPanel(panel) {
  const version = panel.saving.base.version;
  if (!version) return nothing;
  const held = (panel.past ??= { open: false, of: "", revisions: null, error: "" });
  const wanted = `${panel.kind} ${version}`;
  if (held.open && held.of !== wanted) load(panel, held, wanted);
  const toggled = (event) => {
    held.open = event.target.open;
    if (held.open) panel.draw();
  };
  return html`<details class="fold" @toggle=${toggled}>
    <summary>History, ${counted(version, "version")}</summary>
    ${held.error ? html`<p class="notice bad">${held.error}</p>` : nothing}
    ${held.revisions ? html`<ol class="history" reversed>${held.revisions.map((one) => revision(panel, one))}</ol>` : html`<p class="muted">Loading …</p>`}
  </details>`;
}

async function load(panel, held, wanted) {
  held.of = wanted;
  try {
    const { revisions } = await api.get(casePath(panel.id, `/verdict/history?kind=${panel.kind}`));
    held.revisions = [...revisions].sort((one, other) => other.version - one.version);
    held.error = "";
  } catch (error) {
    held.error = error.detail ?? String(error);
    held.of = "";
  }
  panel.draw();
}

function revision(panel, one) {
  const current = one.version === panel.saving.base.version;
  const map = one.map_sha256 ? (one.map_sha256 === panel.detail.map_sha256 ? "this map" : `an older map (${one.map_sha256.slice(0, 8)})`) : "";
  const parts = [one.reader, map, one.marks.length ? counted(one.marks.length, "mark") : ""].filter(Boolean);
  return html`<li>
    <div class="grow">
      <div class="row"><span class="number">${moment(one.at)}</span> ${decisionOf(one.decision)}</div>
      <div class="muted">${parts.join(", ")}${one.remarks ? html`: “${shortened(one.remarks)}”` : nothing}</div>
    </div>
    ${current ? html`<span class="muted">now</span>` : html`<button type="button" aria-label="Restore version ${one.version}" @click=${() => restore(panel, one)}>Restore</button>`}
  </li>`;
}

function restore(panel, one) {
  panel.change(contentOf(one), `going back to version ${one.version}`);
  toast(`Version ${one.version} is back. Undo takes it away again.`, "good");
}

const shortened = (text) => (text.length > 90 ? `${text.slice(0, 90)} …` : text);

// What the reader of a case must know before going on.
import { conflictNotice } from "./conflict.js";
import { isEmpty } from "./content.js";
import { html, icon, moment, nothing } from "../shell/html.js";

export function notices(panel) {
  return html`${panel.saving.state === "conflict" ? conflictNotice(panel) : nothing} ${mapNotice(panel)} ${claimNotice(panel.others)} ${newsNotice(panel.others)}`;
}

function mapNotice(panel) {
  const { base, verdict } = panel.saving;
  if (panel.others.mapChanged) return changed(panel);
  return verdict?.stale && !isEmpty(base.content) ? stale(panel, verdict) : nothing;
}

function stale(panel, verdict) {
  return html`<div class="notice warn">
    <p>
      ${icon("stale")} <strong>Stale.</strong> The label map has changed since this verdict was saved (${moment(verdict.saved_at)}). It does not count until you
      have looked again. Change it, or confirm it for the map as it is now.
    </p>
    <button type="button" @click=${() => panel.saving.renew(panel.detail.map_sha256)}>${icon("tick")} Confirm for this map</button>
  </div>`;
}

function changed(panel) {
  return html`<div class="notice warn" role="alert">
    <p>${icon("stale")} <strong>The label map has changed</strong> while you were looking at it. What you see is the old one; a verdict on it does not count.</p>
    <button type="button" @click=${() => panel.reload()}>Open the new map</button>
  </div>`;
}

function claimNotice({ claimed }) {
  if (!claimed) return nothing;
  return html`<p class="notice warn">
    ${icon("clock")} <strong>${claimed.by ?? "Another reader"}</strong> is reading this case until ${moment(claimed.until)}. You may go on: both verdicts are
    kept.
  </p>`;
}

function newsNotice(others) {
  if (!others.news.length) return nothing;
  const told = others.news.map((one) => `${one.reader} saved a verdict on this case at ${moment(one.saved_at)}`);
  return html`<div class="notice row">
    <span class="grow">${icon("person")} ${told.join("; ")}.</span>
    <button type="button" class="plain" @click=${() => others.understood()}>Understood</button>
  </div>`;
}

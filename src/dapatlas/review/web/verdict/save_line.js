// Whether it is saved, what can be undone, and on to the next.
import { html, icon, moment } from "../shell/html.js";

const SAYS = {
  waiting: () => ["not saved yet", "muted"],
  saving: () => ["saving …", "muted"],
  failed: (reason) => [`not saved: ${reason} It is tried again.`, "bad-text"],
  refused: (reason) => [`not saved: ${reason}`, "bad-text"],
  "signed-out": () => ["not saved: sign in again", "bad-text"],
  conflict: () => ["not saved: changed elsewhere, see above", "warn-text"],
};

/** What a screen reader should say of a new state; nothing where all goes well, for that is most of the time. */
export function spoken(saving) {
  return ["failed", "refused", "signed-out"].includes(saving.state) ? told(saving)[0] : "";
}

export function saveLine(panel) {
  const { edits, saving } = panel;
  const [text, tone] = told(saving);
  return html`<div class="save-line">
    <span class="save-state ${tone}" data-state=${saving.state}>${text}</span>
    ${saving.state === "failed" ? html`<button type="button" @click=${() => saving.flush()}>Try now</button>` : ""}
    <button type="button" class="plain" aria-label="Undo" title="Undo (Ctrl + Z)" ?disabled=${!edits.undoable} @click=${() => panel.undo()}>${icon("undo")}</button>
    <button type="button" class="plain" aria-label="Redo" title="Redo (Ctrl + Shift + Z)" ?disabled=${!edits.redoable} @click=${() => panel.redo()}>
      ${icon("redo")}
    </button>
    <button type="button" class="primary" aria-keyshortcuts="Control+Enter" title="Save, and on to the next case (Ctrl + Enter)" @click=${() => panel.saveAndNext()}>
      Next case ${icon("next")}
    </button>
  </div>`;
}

function told(saving) {
  if (saving.state === "clean") return saving.savedAt ? [`saved ${moment(saving.savedAt)}`, "good-text"] : ["nothing written yet", "muted"];
  return SAYS[saving.state](saving.reason);
}

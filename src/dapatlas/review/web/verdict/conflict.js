// Two have changed the same verdict: what differs, and which goes on. Nothing is lost either way.
import { contentOf, differences, joinedMarks } from "./content.js";
import { announce, html, moment, toast } from "../shell/html.js";

export function conflictNotice(panel) {
  const { saving, title } = panel;
  const theirs = contentOf(saving.theirs);
  const who = panel.kind === "adjudication" && saving.theirs.reader ? saving.theirs.reader : "another window";
  return html`<div class="notice bad conflict" role="alert">
    <p><strong>This verdict was also saved by ${who}</strong>, ${moment(saving.theirs.saved_at)}. Yours is not saved yet. What differs:</p>
    <ul class="differences">
      ${differences(panel.content, theirs, title).map((line) => html`<li class="preserved">${line}</li>`)}
    </ul>
    <div class="row">
      <button type="button" @click=${() => keepMine(panel)}>Keep mine</button>
      <button type="button" @click=${() => takeTheirs(panel)}>Take theirs</button>
      ${theirs.marks.length ? html`<button type="button" @click=${() => keepBoth(panel, theirs)}>Keep mine, with their marks too</button>` : ""}
    </div>
    <p class="muted">Theirs stays in the history if you keep yours; yours comes back with undo if you take theirs.</p>
  </div>`;
}

function keepMine(panel) {
  panel.saving.keepMine();
  announce("Yours is kept");
}

function takeTheirs(panel) {
  panel.saving.takeTheirs();
  panel.draw();
  toast("Theirs is taken. Undo brings yours back.");
}

function keepBoth(panel, theirs) {
  panel.change({ marks: joinedMarks(panel.content.marks, theirs.marks) }, "putting the marks together");
  keepMine(panel);
}

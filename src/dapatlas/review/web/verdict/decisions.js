// The three decisions, and what is still to be said for them.
import { counted, html, icon, nothing } from "../shell/html.js";
import { DECISIONS } from "../shell/words.js";

/** Whether one writes one's own reading or the adjudication. */
export function kinds(panel) {
  const choice = (kind, word) => html`<label
    ><input type="radio" name="kind" .checked=${panel.kind === kind} @change=${() => panel.take(kind)} /><span>${word}</span></label
  >`;
  return html`<fieldset class="chips">
    <legend class="visually-hidden">What you write</legend>
    ${choice("reading", "My reading")} ${choice("adjudication", "Adjudication")}
  </fieldset>`;
}

export function decisions(panel) {
  return html`<section role="group" aria-label="Decision">
    <div class="decisions">${Object.keys(DECISIONS).map((name) => decision(panel, name))}</div>
    ${hint(panel)}
  </section>`;
}

function decision(panel, name) {
  const [word, drawing, key] = DECISIONS[name];
  const pressed = panel.content.decision === name;
  const tone = pressed ? name : "";
  return html`<button type="button" class=${name} aria-pressed=${pressed} aria-label=${word} aria-keyshortcuts=${key.toUpperCase()}
    @click=${() => panel.decide(name)}>
    <span class="word ${tone}">${name === "remarks" ? "With remarks" : word}</span>
    <span class="word ${tone}">${icon(drawing)} <kbd aria-hidden="true">${key.toUpperCase()}</kbd></span>
  </button>`;
}

function hint(panel) {
  const { decision: decided, remarks, marks } = panel.content;
  const silent = !remarks.trim() && !marks.length;
  if (decided === "reject" && silent) return html`<p class="muted hint">Say what is wrong: mark it, or write a remark.</p>`;
  if (decided === "remarks" && silent) return html`<p class="muted hint">Write the remark, or mark what it is about.</p>`;
  if (decided === "approve" && marks.length) {
    return html`<p class="muted hint">Approved, though ${counted(marks.length, "mark")} ${marks.length === 1 ? "says" : "say"} that something is wrong.</p>`;
  }
  if (!decided) return nothing;
  return html`<p class="hint"><button type="button" class="plain" @click=${() => panel.decide(null)}>Take the decision back</button></p>`;
}

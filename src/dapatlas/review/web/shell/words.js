// What states, decisions and kinds of marks are called, and the drawing that goes with each.
import { html, icon } from "./html.js";

const STATES = {
  unread: ["Unread", "circle"],
  reading: ["Being read", "half"],
  disagreement: ["Disagreement", "unequal"],
  approved: ["Approved", "tick"],
  remarks: ["With remarks", "pen"],
  rejected: ["Rejected", "cross"],
  stale: ["Stale", "stale"],
};

export const DECISIONS = {
  approve: ["Approve", "tick", "a"],
  remarks: ["Approve with remarks", "pen", "r"],
  reject: ["Reject", "cross", "x"],
};

export const MARK_KINDS = {
  missing: "Missing",
  wrong_side: "Wrong side",
  leaks: "Leaks",
  wrong_identity: "Wrong identity",
  misnumbered: "Misnumbered",
};

export const STATE_NAMES = Object.keys(STATES);
export const stateWord = (state) => STATES[state]?.[0] ?? state;

/** A state as a word with its drawing. */
export function stateOf(state) {
  const [word, drawing] = STATES[state] ?? [state, "circle"];
  return html`<span class="word ${state}">${icon(drawing)} ${word}</span>`;
}

/** A decision as a word with its drawing; "open" is a verdict that says nothing yet. */
export function decisionOf(decision) {
  const [word, drawing] = DECISIONS[decision] ?? ["Open", "half"];
  const past = { approve: "Approved", remarks: "With remarks", reject: "Rejected" }[decision] ?? word;
  return html`<span class="word ${decision ?? "open"}">${icon(drawing)} ${past}</span>`;
}

/** How a structure is shown to people: its title where the scheme has one. */
export function titled(scheme, name) {
  return scheme.structures.find((one) => one.name === name)?.title ?? name.replaceAll("_", " ");
}

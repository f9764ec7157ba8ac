// Going on to the next case of the queue.
import { api } from "../shell/api.js";
import { announce, counted, toast } from "../shell/html.js";

/** In which part one reads: "reading" or "adjudication"; kept from case to case. */
export const reviewing = { kind: "reading" };

/** Ask the server for the next case and go there; none where nothing is left. */
export async function goToNext(kind, after = null) {
  const { case: next, left } = await api.post("/api/queue/next", { kind, after });
  if (next === null) {
    toast(nothingNow(kind, left), left ? "info" : "good");
    if (location.hash !== "#/cases") location.hash = "#/cases";
    return null;
  }
  reviewing.kind = kind;
  announce(`${next}, ${left} left`);
  location.hash = `#/case/${encodeURIComponent(next)}`;
  return next;
}

function nothingNow(kind, left) {
  if (left) return `${counted(left, "case")} ${left === 1 ? "waits" : "wait"}, but others have ${left === 1 ? "it" : "them"} in hand just now.`;
  return kind === "reading" ? "No case is left for you to read." : "No case is left to adjudicate.";
}

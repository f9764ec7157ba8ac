// Templates, and the two ways of telling the reader something: spoken and shown.
import { html, nothing, render, svg } from "../vendor/lit-html.js";

export { html, nothing, render, svg };

/** Tell screen readers; the text is cleared first, so that the same words are spoken again. */
export function announce(text) {
  const line = document.getElementById("announcer");
  if (!line) return;
  line.textContent = "";
  setTimeout(() => (line.textContent = text), 50);
}

/** Show a line for a while; `kind` is "info", "good" or "bad". Bad ones stay until they are closed. */
export function toast(text, kind = "info") {
  const host = document.getElementById("toasts");
  if (!host) return;
  const box = document.createElement("div");
  box.className = `toast ${kind}`;
  if (kind === "bad") box.setAttribute("role", "alert");
  else announce(text);
  const close = () => box.remove();
  render(
    html`<span>${text}</span>
      <button type="button" class="plain" aria-label="Close this message" @click=${close}>${icon("cross")}</button>`,
    box,
  );
  host.append(box);
  while (host.children.length > 4) host.firstChild.remove();
  if (kind !== "bad") setTimeout(close, 6000);
}

const STROKES = {
  tick: "M3 8.5l3.2 3.2L13 4.8",
  cross: "M4 4l8 8M12 4l-8 8",
  pen: "M3 13l.8-3.2L11 2.6l2.4 2.4-7.2 7.2zM9.6 4l2.4 2.4",
  circle: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11",
  half: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11M8 2.5v11M10 4v8M12 6v4",
  unequal: "M3 6h10M3 10h10M10.5 3l-5 10",
  stale: "M13 8a5 5 0 1 1-1.6-3.7M13 2v3.2H9.8",
  place: "M8 1.5v4M8 10.5v4M1.5 8h4M10.5 8h4",
  box: "M3 3h10v10H3z",
  bin: "M3 4.5h10M6.5 4.5v-2h3v2M4.5 4.5l.6 9h5.8l.6-9M6.8 7v4M9.2 7v4",
  undo: "M6 3L3 6l3 3M3 6h6.5a3.5 3.5 0 0 1 0 7H6",
  redo: "M10 3l3 3-3 3M13 6H6.5a3.5 3.5 0 0 0 0 7H10",
  next: "M3 8h9M8.5 4.5L12 8l-3.5 3.5",
  down: "M4 6l4 4 4-4",
  warn: "M8 2l6.5 11.5h-13zM8 6.5v3.5M8 11.6v.4",
  person: "M8 8.2a2.8 2.8 0 1 0 0-5.6a2.8 2.8 0 0 0 0 5.6M2.8 13.8c.6-3 2.6-4 5.2-4s4.6 1 5.2 4",
  clock: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11M8 5v3.2l2 1.6",
};

/** A small drawing beside a word; never alone, so it is hidden from screen readers. */
export function icon(name) {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
    <path d=${STROKES[name]} /></svg
  >`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

/** Hours and minutes, here. */
export const clock = (when) => CLOCK.format(new Date(when));

/** The time, with the day where that is not today. */
export function moment(when) {
  const date = new Date(when);
  return date.toDateString() === new Date().toDateString() ? clock(date) : `${DAY.format(date)}, ${clock(date)}`;
}

/** "1 case", "2 cases". */
export const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

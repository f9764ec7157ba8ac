// Keys that work anywhere on the page; `?` lists them all.
import { announce, html, render } from "./html.js";
import { keep, kept } from "./storage.js";

const scopes = []; // the last one bound is asked first
const TEXTUAL = new Set(["text", "search", "password", "email", "number", "url", "tel", "date", "time"]);
const OFF = "dapatlas.keys-off";

/**
 * Bind keys while a part of the page is there.
 *
 * `scope` is the heading that the list of keys shows them under, or an element whose `data-keys` (or `aria-label`)
 * says it: such keys work only while the element is in the page. Keys are written "a", "?", "ArrowUp", "Ctrl+z",
 * "Ctrl+Shift+z"; Ctrl stands for the command key as well. A binding is [description, handler] or
 * [description, handler, {typing: true}] where it works in text fields, too. The handler gets the event; unless it
 * returns false the key's own meaning is dropped. Returns the function that takes the keys back.
 */
export function bind(scope, keys) {
  const bound = { scope, keys: new Map() };
  for (const [name, [description, handler, options]] of Object.entries(keys)) {
    bound.keys.set(canonical(name), { name, description, handler, typing: options?.typing ?? false });
  }
  scopes.push(bound);
  return () => {
    const at = scopes.indexOf(bound);
    if (at >= 0) scopes.splice(at, 1);
  };
}

/** Whether this event comes from where one types. */
export function typing(event) {
  const at = event.composedPath?.()[0] ?? event.target;
  if (!(at instanceof Element)) return false;
  if (at.isContentEditable || at instanceof HTMLTextAreaElement || at instanceof HTMLSelectElement) return true;
  return at instanceof HTMLInputElement && TEXTUAL.has(at.type);
}

const WORDS = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→", " ": "Space", Escape: "Esc" };

/** How a key is shown: "Ctrl + Z". */
export function shown(name) {
  return name
    .split(/\+(?=.)/)
    .map((part) => WORDS[part] ?? (part.length === 1 ? part.toUpperCase() : part))
    .join(" + ");
}

function canonical(name) {
  const parts = name.split(/\+(?=.)/);
  let key = parts.pop();
  if (key === "Space") key = " ";
  if (key === "Esc") key = "Escape";
  const held = new Set(parts.map((part) => part.toLowerCase()));
  if (held.has("cmd") || held.has("meta")) held.add("ctrl");
  return written(held.has("ctrl"), held.has("alt"), held.has("shift"), key);
}

function written(ctrl, alt, shift, key) {
  // Shift is part of what "?" or "A" already is; it is told apart for letters and for named keys only
  const tellsShift = key.length > 1 || key.toLowerCase() !== key.toUpperCase();
  return `${ctrl ? "ctrl+" : ""}${alt ? "alt+" : ""}${shift && tellsShift ? "shift+" : ""}${key.toLowerCase()}`;
}

function pressed(event) {
  return written(event.ctrlKey || event.metaKey, event.altKey, event.shiftKey, event.key);
}

/** Named keys that a focused control needs for itself. */
function ownKey(event) {
  const at = event.target;
  if (!(at instanceof Element) || event.ctrlKey || event.metaKey) return false;
  if (event.key === "Enter" || event.key === " ") return at.matches("button, a[href], summary, input, [role=button], [role=tab]");
  if (event.key.startsWith("Arrow")) return at.matches("input, [role=tab], [role=slider], [role=listbox]");
  return false;
}

function single(event) {
  return event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey && event.key !== "?";
}

function onKey(event) {
  if (event.defaultPrevented || event.isComposing || document.querySelector("dialog:modal")) return;
  if (single(event) && singlesOff()) return;
  const name = pressed(event);
  const inField = typing(event);
  for (const { scope, keys } of [...scopes].reverse()) {
    if (scope instanceof Element && !scope.isConnected) continue;
    const found = keys.get(name);
    if (!found || (inField && !found.typing) || (ownKey(event) && !found.typing)) continue;
    if (found.handler(event) !== false) event.preventDefault();
    return;
  }
}

const singlesOff = () => kept(OFF, false);

function heading(scope) {
  return scope instanceof Element ? scope.dataset.keys || scope.getAttribute("aria-label") || "This page" : scope;
}

/** Show every key that works now. */
export function showKeys() {
  const dialog = document.createElement("dialog");
  dialog.className = "keys";
  dialog.setAttribute("aria-labelledby", "keys-title");
  const groups = new Map();
  for (const { scope, keys } of scopes) {
    if (scope instanceof Element && !scope.isConnected) continue;
    const rows = groups.get(heading(scope)) ?? [];
    rows.push(...keys.values());
    groups.set(heading(scope), rows);
  }
  const toggle = (event) => {
    keep(OFF, !event.target.checked);
    announce(event.target.checked ? "Single keys are on" : "Single keys are off");
  };
  render(
    html`<h2 id="keys-title">Keys</h2>
      <div class="key-groups">
        ${[...groups].map(
          ([title, rows]) => html`<section>
            <h3>${title}</h3>
            <dl>
              ${rows.map((row) => html`<div><dt><kbd>${shown(row.name)}</kbd></dt><dd>${row.description}</dd></div>`)}
            </dl>
          </section>`,
        )}
      </div>
      <footer>
        <label class="check"><input type="checkbox" .checked=${!singlesOff()} @change=${toggle} /> Single keys work</label>
        <button type="button" class="primary" @click=${() => dialog.close()}>Close</button>
      </footer>`,
    dialog,
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

document.addEventListener("keydown", onKey);
bind("Everywhere", { "?": ["Show the keys", showKeys] });

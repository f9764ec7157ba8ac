// The frame: who is reading, the bar on top, and which page is open.
import { api } from "./shell/api.js";
import { announce, html, icon, nothing, render, toast } from "./shell/html.js";
import { bind, showKeys } from "./shell/keys.js";
import { leaveSafely } from "./shell/leaving.js";
import { changeReader, earlierNames, signBackIn, signIn } from "./pages/login.js";

const main = document.getElementById("main");
const top = document.getElementById("top");

const PAGES = [
  { hash: "#/cases", title: "Cases", key: "g", role: "reader", open: async (root) => (await import("./pages/queue.js")).openQueue(root) },
  { hash: "#/progress", title: "Progress", key: "p", role: "reader", open: async (root) => (await import("./pages/progress.js")).openProgress(root) },
  { hash: "#/readers", title: "Readers", key: null, role: "admin", open: async (root) => (await import("./pages/readers.js")).openReaders(root) },
];

let page = null; // {close()} of the open page
let turn = 0; // pages are opened one after the other; only the last one asked for counts
let menuOpen = false;
let shownHash = "";

/** Which page a hash means. */
function route(hash) {
  const found = /^#\/case\/(.+)$/.exec(hash);
  if (found) {
    const id = decoded(found[1]);
    return { title: id, hash, role: "reader", open: async (root) => (await import("./case/caseview.js")).openCase(root, id) };
  }
  return PAGES.find((one) => one.hash === hash) ?? PAGES[0];
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

async function show() {
  const mine = ++turn;
  const { session } = api;
  if (page && !(await leaveSafely())) toast("Not everything could be saved yet. It is kept in this browser.", "bad");
  if (mine !== turn) return;
  shut();
  drawTop();
  if (!session?.reader) return void (await askWho(mine));
  const target = route(location.hash);
  shownHash = location.hash;
  document.title = `${target.title} – dapatlas review`;
  if (!api.may(target.role)) return refuse();
  const root = fresh();
  render(html`<p class="loading" role="status">Loading …</p>`, root);
  await opened(target, root, mine);
}

async function opened(target, root, mine) {
  try {
    const next = await target.open(root);
    if (mine !== turn) return void next?.close?.();
    page = next;
    arrive(root, target.title);
  } catch (error) {
    if (mine === turn && error.status !== 401) failed(error);
  }
}

/** Focus goes to the heading of the new page, so that keyboard and screen reader begin there. */
function arrive(root, title) {
  announce(title);
  const heading = root.querySelector("h1");
  if (!heading || root.contains(document.activeElement)) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
}

function shut() {
  try {
    page?.close?.();
  } finally {
    page = null;
  }
}

/** An element of its own for every page: what one page still draws late never lands in the next one. */
function fresh() {
  const root = document.createElement("div");
  root.className = "view";
  main.replaceChildren(root);
  return root;
}

function failed(error) {
  console.warn(error);
  const text = error.detail ?? "This page could not be opened.";
  render(
    html`<section class="page">
      <h1>That did not work</h1>
      <p class="notice bad" role="alert">${text}</p>
      <div class="row">
        <button type="button" class="primary" @click=${show}>Try again</button>
        <a class="button" href="#/cases">To the cases</a>
      </div>
    </section>`,
    fresh(),
  );
}

function refuse() {
  render(
    html`<section class="page"><h1>Not for readers</h1><p>Only an admin may open this page.</p></section>`,
    fresh(),
  );
}

async function askWho(mine) {
  document.title = "Sign in – dapatlas review";
  await signIn(fresh(), api.session);
  if (mine === turn) show();
}

function drawTop() {
  const { reader, dataset } = api.session ?? {};
  const here = route(location.hash);
  render(
    html`<div class="top">
      <span class="name">${dataset?.name ?? "dapatlas review"}</span>
      ${reader ? navigation(here) : nothing}
      ${reader ? readerMenu(reader) : nothing}
      <button type="button" class="plain" @click=${showKeys}><kbd>?</kbd> Keys</button>
    </div>`,
    top,
  );
}

function navigation(here) {
  return html`<nav aria-label="Pages">
    ${PAGES.filter((one) => api.may(one.role)).map(
      (one) => html`<a href=${one.hash} aria-current=${one === here ? "page" : nothing}>${one.title}</a>`,
    )}
  </nav>`;
}

function readerMenu(reader) {
  const local = api.session.mode === "local";
  return html`<div class="menu" @focusout=${leaveMenu} @keydown=${escapeMenu}>
    <button type="button" id="who" class="plain" aria-expanded=${menuOpen} aria-controls="who-menu" @click=${toggleMenu}>
      ${icon("person")} <span>${reader.name}</span> ${icon("down")}
    </button>
    <div id="who-menu" ?hidden=${!menuOpen}>
      <span>Signed in as <strong>${reader.name}</strong>, ${reader.role}</span>
      ${local ? otherReader(reader) : html`<button type="button" @click=${leave}>Sign out</button>`}
    </div>
  </div>`;
}

function otherReader(reader) {
  const names = earlierNames().filter((name) => name !== reader.name);
  return html`<form class="field" @submit=${(event) => (event.preventDefault(), become(new FormData(event.target).get("name")))}>
    <label for="other-reader" class="label">Read as somebody else</label>
    ${names.length ? html`<div class="chips">${names.map((name) => html`<button type="button" @click=${() => become(name)}>${name}</button>`)}</div>` : nothing}
    <div class="row">
      <input id="other-reader" name="name" type="text" class="grow" required maxlength="64" pattern="[A-Za-z0-9._\\-]+"
        title="Letters, digits, dot, dash and underscore" autocomplete="off" spellcheck="false" size="12" />
      <button type="submit">Change</button>
    </div>
  </form>`;
}

function toggleMenu() {
  menuOpen = !menuOpen;
  drawTop();
  if (menuOpen) top.querySelector("#who-menu :is(input, button)")?.focus();
}

function closeMenu(focus = false) {
  if (!menuOpen) return;
  menuOpen = false;
  drawTop();
  if (focus) top.querySelector("#who")?.focus();
}

function escapeMenu(event) {
  if (event.key === "Escape") closeMenu(true);
}

function leaveMenu(event) {
  if (event.relatedTarget && !event.currentTarget.contains(event.relatedTarget)) closeMenu();
}

async function become(name) {
  await act(() => changeReader(name));
}

async function leave() {
  await act(() => api.signOut());
}

/** Do something to the session once everything is saved. */
async function act(change) {
  if (!(await leaveSafely())) return void toast("First let the verdict be saved: it would be lost to the other reader.", "bad");
  try {
    await change();
    closeMenu();
    await show();
  } catch (error) {
    toast(error.detail ?? String(error), "bad");
  }
}

let asking = false;
/** The login has run out while a page is open: the page stays as it is, behind the question. */
async function signedOut() {
  if (asking || !api.session?.reader) return;
  if (!page) return void begin(); // nothing stands there that could be lost
  asking = true;
  const before = api.session?.reader?.name;
  try {
    await signBackIn(api.session);
    if (api.session?.reader?.name !== before) await show();
    else api.dispatchEvent(new CustomEvent("back"));
  } finally {
    asking = false;
  }
}

async function begin() {
  try {
    await api.openSession();
  } catch (error) {
    return void failedStart(error);
  }
  await show();
}

function failedStart(error) {
  render(
    html`<section class="page">
      <h1>The server does not answer</h1>
      <p class="notice bad" role="alert">${error.detail}</p>
      <button type="button" class="primary" @click=${begin}>Try again</button>
    </section>`,
    fresh(),
  );
}

document.getElementById("skip").addEventListener("click", () => main.focus());
document.addEventListener("pointerdown", (event) => {
  if (menuOpen && !event.target.closest(".menu")) closeMenu();
});
window.addEventListener("reopen", show);
window.addEventListener("hashchange", () => {
  if (location.hash !== shownHash) show();
});
api.addEventListener("signed-out", signedOut);
api.addEventListener("reader-changed", () => {
  toast(`Another window has signed in as ${api.session?.reader?.name ? "somebody else" : "nobody"}. Load this page anew.`, "bad");
});
const keys = Object.fromEntries(
  PAGES.filter((one) => one.key).map((one) => [one.key, [`To ${one.title.toLowerCase()}`, () => api.may(one.role) && void (location.hash = one.hash)]]),
);
bind("Everywhere", keys);
begin();

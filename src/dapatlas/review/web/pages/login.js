// Who is reading: by itself on one's own machine, with name and password on a shared one.
import { api } from "../shell/api.js";
import { counted, html, nothing, render } from "../shell/html.js";
import { keep, kept } from "../shell/storage.js";

const NAME = "dapatlas.reader";
const NAMES = "dapatlas.readers";
const FIRST = "reader-1";
const MOST_NAMES = 8;

/** Ask until somebody is signed in. In local mode nobody is asked: the name of the last time is taken. */
export async function signIn(root, session) {
  if (session?.mode === "local") {
    try {
      return await changeReader(kept(NAME, FIRST));
    } catch (error) {
      return askFor(root, { local: true, name: kept(NAME, FIRST), error });
    }
  }
  return askFor(root, { local: false, name: "" });
}

/** Become this reader (local mode). */
export async function changeReader(name) {
  const session = await api.signIn(name);
  const { name: given } = session.reader;
  keep(NAME, given);
  keep(NAMES, [given, ...earlierNames().filter((one) => one !== given)].slice(0, MOST_NAMES));
  return session;
}

/** Who has read in this browser, the last one first. */
export const earlierNames = () => kept(NAMES, []);

/** The login ran out: ask again over the page, which stays as it is. */
export async function signBackIn(session) {
  const name = session?.reader?.name ?? "";
  if (session?.mode === "local") {
    try {
      return await changeReader(name || FIRST);
    } catch {
      // then it is asked
    }
  }
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "sign-in-title");
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  document.body.append(dialog);
  dialog.showModal();
  try {
    return await askFor(dialog, { local: session?.mode === "local", name, again: true });
  } finally {
    dialog.close();
    dialog.remove();
  }
}

function askFor(root, { local, name, error = null, again = false }) {
  return new Promise((done) => {
    const state = { local, name, again, error, busy: false, wait: error?.retryAfter ?? 0, timer: 0 };
    const draw = () => render(form(state, submit), root);
    const count = () => {
      clearInterval(state.timer);
      state.timer = setInterval(() => {
        state.wait -= 1;
        if (state.wait <= 0) {
          clearInterval(state.timer);
          state.error = null;
        }
        draw();
      }, 1000);
    };
    const submit = async (event) => {
      event.preventDefault();
      const given = new FormData(event.target);
      state.busy = true;
      draw();
      try {
        const session = await api.signIn(given.get("name"), local ? undefined : given.get("password"));
        if (local) keep(NAME, session.reader.name);
        done(session);
      } catch (problem) {
        state.error = problem;
        state.busy = false;
        state.wait = problem.status === 429 ? Math.max(1, Math.ceil(problem.retryAfter)) : 0;
        if (state.wait) count();
        draw();
        root.querySelector(local ? "[name=name]" : "[name=password]")?.select();
      }
    };
    draw();
    root.querySelector(name ? "[name=password], [name=name]" : "[name=name]")?.focus();
  });
}

function form({ local, name, again, error, busy, wait }, submit) {
  return html`<section class=${again ? "" : "sign-in"}>
    <h1 id="sign-in-title">${again ? "Sign in again" : "Sign in"}</h1>
    <form @submit=${submit}>
      ${again ? html`<p>Your sign-in has run out. Nothing is lost: sign in, and what you wrote is saved.</p>` : nothing}
      <label class="field grow">
        <span>Name</span>
        <input type="text" name="name" .value=${name} required maxlength="64" pattern="[A-Za-z0-9._\\-]+" spellcheck="false"
          title="Letters, digits, dot, dash and underscore" autocomplete="username" autocapitalize="none" />
      </label>
      ${local
        ? nothing
        : html`<label class="field grow">
            <span>Password</span>
            <input type="password" name="password" required autocomplete="current-password" />
          </label>`}
      <div role="alert">${error ? html`<p class="notice bad">${wait > 0 ? "Too many attempts." : (error.detail ?? String(error))}</p>` : nothing}</div>
      <p role="timer" ?hidden=${!wait}>Try again in ${counted(wait, "second")}.</p>
      <button type="submit" class="primary" ?disabled=${busy || wait > 0}>${busy ? "Signing in …" : "Sign in"}</button>
    </form>
  </section>`;
}

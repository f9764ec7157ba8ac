// Who may read: for admins.
import { api } from "../shell/api.js";
import { html, moment, render, toast } from "../shell/html.js";

const ROLES = { reader: "Reader", adjudicator: "Adjudicator", admin: "Admin" };

export async function openReaders(root) {
  const view = { root, rows: [], local: api.session.mode === "local" };
  await load(view);
  return { close() {} };
}

async function load(view) {
  const answer = await api.get("/api/readers");
  view.rows = answer.readers ?? answer;
  draw(view);
}

/** Do it, show the list anew, and say what came of it. */
async function act(view, work, done) {
  try {
    await work();
    toast(done, "good");
    return true;
  } catch (error) {
    toast(error.detail ?? String(error), "bad");
    return false;
  } finally {
    await load(view).catch((error) => toast(error.detail ?? String(error), "bad"));
  }
}

function draw(view) {
  render(
    html`<section class="page">
      <header><h1>Readers</h1></header>
      <p class="muted">
        Names are pseudonyms: they stand beside every verdict, in the exports too. An adjudicator sees all readings and decides between them; an admin may change
        the plan and the readers as well.
      </p>
      <div class="panel scroll" tabindex="0" role="group" aria-label="Table of readers">
        <table>
          <thead>
            <tr><th scope="col">Name</th><th scope="col">Role</th><th scope="col">May sign in</th><th scope="col">Since</th><th scope="col">Password</th></tr>
          </thead>
          <tbody>${view.rows.map((row) => line(view, row))}</tbody>
        </table>
      </div>
      ${form(view)}
    </section>`,
    view.root,
  );
}

function line(view, row) {
  const change = (body, done) => act(view, () => api.patch(`/api/readers/${encodeURIComponent(row.name)}`, body), done);
  const self = row.name === api.session.reader.name;
  const password = async (event) => {
    event.preventDefault();
    const field = event.target.elements.password;
    if (await change({ password: field.value }, `${row.name} has a new password.`)) field.value = "";
  };
  return html`<tr>
    <th scope="row">${row.name}${self ? html` <span class="muted">(you)</span>` : ""}</th>
    <td>
      <select aria-label="Role of ${row.name}" ?disabled=${self} .value=${row.role}
        @change=${(event) => change({ role: event.target.value }, `${row.name} is now ${ROLES[event.target.value].toLowerCase()}.`)}>
        ${roles(row.role)}
      </select>
    </td>
    <td>
      <label class="check"><input type="checkbox" aria-label="${row.name} may sign in" ?disabled=${self} .checked=${row.active}
        @change=${(event) => change({ active: event.target.checked }, event.target.checked ? `${row.name} may sign in.` : `${row.name} may no longer sign in.`)} />
        ${row.active ? "yes" : "no"}</label>
    </td>
    <td>${moment(row.created_at)}</td>
    <td>
      <form class="row" @submit=${password}>
        <input type="text" name="username" autocomplete="username" value=${row.name} hidden />
        <input type="password" name="password" aria-label="New password of ${row.name}" placeholder="New password" autocomplete="new-password" required minlength="10" size="14" />
        <button type="submit">Set</button>
      </form>
    </td>
  </tr>`;
}

const roles = (chosen) => Object.entries(ROLES).map(([role, word]) => html`<option value=${role} ?selected=${role === chosen}>${word}</option>`);

function form(view) {
  const add = async (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.target));
    if (!given.password) delete given.password;
    const { target } = event;
    if (await act(view, () => api.post("/api/readers", given), `${given.name} is added.`)) target.reset();
  };
  return html`<form class="panel plan-form" aria-labelledby="new-reader" @submit=${add}>
    <h2 id="new-reader">Add a reader</h2>
    <label class="field"
      ><span>Name</span
      ><input type="text" name="name" required maxlength="64" pattern="[A-Za-z0-9._\\-]+" title="Letters, digits, dot, dash and underscore" autocomplete="off"
        spellcheck="false"
    /></label>
    <label class="field"><span>Role</span><select name="role">${roles("reader")}</select></label>
    <label class="field"
      ><span>Password${view.local ? " (not needed here)" : ""}</span
      ><input type="password" name="password" autocomplete="new-password" minlength="10" ?required=${!view.local}
    /></label>
    <button type="submit" class="primary">Add</button>
  </form>`;
}

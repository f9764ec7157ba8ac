// Which cases are read, in which order and by how many; what was read can be carried away.
import { api } from "../shell/api.js";
import { counted, html, nothing, toast } from "../shell/html.js";

const ORDERS = { worst: "worst first", random: "in random order" };

/** One line that tells the plan; an admin may change it, an adjudicator may export. */
export function planEditor(plan, cases, changed) {
  if (!plan) return nothing;
  return html`<div class="row apart plan-line">
    ${api.may("admin")
      ? html`<details class="fold grow">
          <summary>${told(plan, cases)} – change</summary>
          ${form(plan, changed)}
        </details>`
      : html`<p class="muted grow">${told(plan, cases)}</p>`}
    ${api.may("adjudicator") ? exports() : nothing}
  </div>`;
}

function told(plan, cases) {
  const which = plan.sample === null ? `All ${counted(cases, "case")}` : `A sample of ${counted(plan.sample, "case")}`;
  const how = plan.order === "random" ? `${ORDERS.random} (seed ${plan.seed})` : ORDERS.worst;
  return `${which}, ${how}, ${counted(plan.readings, "reading")} each`;
}

function exports() {
  return html`<span class="row muted" role="group" aria-label="Export the verdicts">
    Export
    ${["csv", "json", "parquet"].map(
      (format) => html`<a class="button" href="/api/export?format=${format}" download>${format === "parquet" ? "Parquet" : format.toUpperCase()}</a>`,
    )}
  </span>`;
}

function form(plan, changed) {
  const submit = async (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    const sample = given.get("sample").trim();
    try {
      await api.put("/api/queue/plan", {
        order: given.get("order"),
        sample: sample === "" ? null : Number(sample),
        seed: Number(given.get("seed")),
        readings: Number(given.get("readings")),
      });
      await changed();
      toast("The plan is changed.", "good");
    } catch (error) {
      toast(error.detail ?? String(error), "bad");
    }
  };
  return html`<form class="plan-form panel" @submit=${submit}>
    <label class="field"
      ><span>Order</span>
      <select name="order">
        <option value="worst" ?selected=${plan.order === "worst"}>Worst first</option>
        <option value="random" ?selected=${plan.order === "random"}>Random</option>
      </select></label
    >
    <label class="field"
      ><span>Sample (empty: all)</span>
      <input type="number" name="sample" min="1" max="2147483647" step="1" .value=${plan.sample ?? ""} /></label
    >
    <label class="field"
      ><span>Seed</span>
      <input type="number" name="seed" min="0" max="2147483647" step="1" required .value=${plan.seed} /></label
    >
    <label class="field"
      ><span>Readings a case</span>
      <select name="readings">
        <option value="1" ?selected=${plan.readings === 1}>1</option>
        <option value="2" ?selected=${plan.readings === 2}>2</option>
      </select></label
    >
    <button type="submit" class="primary">Save the plan</button>
  </form>`;
}

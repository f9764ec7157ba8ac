// The buttons over the planes, each with its key.
import { html, nothing, render } from "../shell/html.js";
import { AXES } from "../viewer/layout.js";
import { WINDOWS } from "../viewer/look.js";
import { DETAILS } from "../viewer/refining.js";

export const VIEWS = ["all", ...AXES.map((axes) => axes.name)];

/** Draw the buttons for the state of the viewer; `act` holds what they do. */
export function drawToolbar(element, viewer, act) {
  const { look } = viewer;
  render(
    html`<div class="group" role="group" aria-label="Window">
        ${Object.entries(WINDOWS).map(([name, { title, level, width }], at) =>
          button({ title: `${title} window, level ${level}, width ${width}`, key: String(at + 1), pressed: look.window === name, click: () => viewer.setWindow(name) }, title),
        )}
      </div>
      <div class="group" role="group" aria-label="Colours">
        ${button({ title: "Outlines instead of filled structures", key: "f", pressed: look.outline, click: act.outline }, "Outline")}
        <label class="opacity" title="How much of the CT the colours cover ([ and ])">
          <span>Opacity</span>
          <input type="range" min="0" max="100" step="5" .value=${String(Math.round(look.opacity * 100))}
            @input=${(event) => (viewer.opacity = event.target.value / 100)} />
        </label>
        ${button({ title: "Hide all but the structure under the cross", key: "h", pressed: look.only !== null, click: act.hideOthers }, "Hide others")}
      </div>
      ${others(viewer).length ? compareGroup(viewer, act) : nothing}
      <div class="group" role="group" aria-label="View">
        <select aria-label="Planes" title="Which planes are shown (V)" .value=${viewer.view} @change=${(event) => viewer.setView(event.target.value)}>
          ${VIEWS.map((view) => html`<option value=${view} ?selected=${view === viewer.view}>${view === "all" ? "All planes" : view}</option>`)}
        </select>
        ${button({ title: "The structures in space", key: "d", pressed: viewer.solid, click: act.solid }, "3-D")}
        ${button({ title: "Whole picture again, not magnified (0 over the planes)", click: () => viewer.resetView() }, "Fit")}
        <select aria-label="Resolution" title="How finely the volumes are shown" @change=${(event) => (viewer.detail = event.target.value)}>
          ${Object.entries(DETAILS).map(([name, title]) => html`<option value=${name} ?selected=${name === viewer.detail}>${title}</option>`)}
        </select>
      </div>`,
    element,
  );
}

export const others = (viewer) => viewer.layers.labels.filter((layer) => layer.name !== "map");

function compareGroup(viewer, act) {
  const changed = viewer.layer !== "map";
  const name = others(viewer)[0].name;
  const word = name === "before" ? "Before" : others(viewer)[0].title;
  return html`<div class="group" role="group" aria-label="Other maps">
    ${button({ title: `Show this map or ${others(viewer)[0].title}`, key: "t", pressed: changed, click: act.toggleMap }, word)}
    <select aria-label="Compare side by side with" title="A second map beside this one (C)" @change=${(event) => act.compare(event.target.value || null)}>
      <option value="" ?selected=${viewer.compared === null}>One map</option>
      ${others(viewer).map((layer) => html`<option value=${layer.name} ?selected=${viewer.compared === layer.name}>Beside: ${layer.title}</option>`)}
    </select>
  </div>`;
}

function button({ title, key, pressed, click }, text) {
  const shown = key ? `${title} (${key.toUpperCase()})` : title;
  return html`<button type="button" title=${shown} aria-keyshortcuts=${key ? key.toUpperCase() : nothing} aria-pressed=${pressed ?? nothing} @click=${click}>
    ${text}
  </button>`;
}

// One case: planes on the left; findings, structures and the verdict on the right.
import { api, casePath } from "../shell/api.js";
import { FindingList } from "./findings.js";
import { announce, html, nothing, render, toast } from "../shell/html.js";
import { bind } from "../shell/keys.js";
import { applied } from "../viewer/matrix.js";
import { StructureList } from "./structures.js";
import { drawToolbar, others, VIEWS } from "./toolbar.js";
import { mountVerdict } from "../verdict/verdict.js";
import { Viewer } from "../viewer/viewer.js";
import { stateOf, titled } from "../shell/words.js";

const OPACITY_STEP = 0.1;
const STYLE = "/web/case/case.css";

/** Open a case in `root`. Resolves as soon as the page stands; its pictures come by themselves. */
export async function openCase(root, caseId) {
  const [scheme, detail] = await Promise.all([api.get("/api/scheme"), api.get(casePath(caseId)), styled()]);
  const page = new CasePage(root, scheme, detail);
  page.begin();
  return page;
}

/** Load this page's style, once. */
function styled() {
  if (document.querySelector(`link[href="${STYLE}"]`)) return null;
  const link = document.createElement("link");
  return new Promise((done) => {
    Object.assign(link, { rel: "stylesheet", href: STYLE, onload: done, onerror: done });
    document.head.append(link);
  });
}

class CasePage {
  #viewer = null;
  #verdict = null;
  #shut = [];
  #closed = false;
  #hidden = null; // the structure that was shown alone last

  constructor(root, scheme, detail) {
    Object.assign(this, { root, scheme, detail });
  }

  begin() {
    this.root.classList.add("case-view");
    this.root.dataset.keys = "Case";
    render(skeleton(this.detail), this.root);
    this.findings = new FindingList(this.#part(".panel-findings"), this.detail, this.scheme, this);
    this.structures = new StructureList(this.#part(".panel-structures"), this.detail, this.scheme, this);
    for (const tab of this.root.querySelectorAll("[role=tab]")) {
      tab.addEventListener("click", () => this.choose(tab.dataset.panel));
      tab.addEventListener("keydown", (event) => this.#tabKey(event));
    }
    this.choose(this.detail.findings.some((one) => one.severity !== "info") ? "findings" : "structures");
    this.#shut.push(bind(this.root, this.#keys()));
    this.#part(".panel-verdict").addEventListener("case-state", () => render(skeleton(this.detail), this.root));
    this.#openViewer();
  }

  close() {
    this.#closed = true;
    for (const undo of this.#shut) undo();
    this.#verdict?.close();
    this.#viewer?.close();
  }

  async #openViewer() {
    const host = this.#part(".stage");
    render(loading(), this.#part(".stage-message"));
    try {
      const viewer = await Viewer.open(host, this.detail, this.scheme);
      if (this.#closed) return viewer.close();
      this.#viewer = viewer;
      this.#part(".stage-message").hidden = true;
      this.#listen(viewer);
    } catch (error) {
      if (this.#closed) return;
      this.#failed(error);
    }
    this.#mountVerdict();
  }

  #mountVerdict() {
    if (this.#verdict) return;
    const element = this.#part(".panel-verdict");
    this.#verdict = mountVerdict(element, { detail: this.detail, scheme: this.scheme, viewer: this.#viewer });
  }

  #failed(error) {
    const again = () => {
      this.#verdict?.close();
      this.#verdict = null;
      this.#openViewer();
    };
    render(
      html`<div class="notice bad" role="alert">
        <p>${error.message}</p>
        ${error.remedy ? html`<p>${error.remedy}</p>` : nothing}
        <p><button type="button" @click=${again}>Try again</button></p>
      </div>`,
      this.#part(".stage-message"),
    );
  }

  #listen(viewer) {
    const draw = () => drawToolbar(this.#part(".toolbar"), viewer, this.acts);
    viewer.addEventListener("look", () => {
      draw();
      this.#moved();
    });
    viewer.addEventListener("moved", () => this.#moved());
    viewer.addEventListener("level", () => this.#moved());
    viewer.addEventListener("error", ({ detail }) => toast(detail.message, "bad"));
    draw();
    this.#moved();
  }

  /** What is under the cross, in words. */
  #moved() {
    const viewer = this.#viewer;
    if (!viewer || this.#closed) return;
    this.structures.show(viewer.structureAt, viewer.look.only);
    render(readout(viewer, this.scheme), this.#part(".readout"));
  }

  // What the lists ask for

  goToStructure({ center, center_mm: mm, name, title }) {
    if (this.#viewer) this.#viewer.places.finding = null;
    if (center) this.#viewer?.goToVoxel(center);
    else this.#viewer?.goTo(mm);
    if (this.#viewer?.look.only) this.#viewer.only(name);
    announce(title);
  }

  showOnly(name) {
    this.#viewer?.only(name);
    if (name) this.#hidden = name;
    announce(name ? `Only ${titled(this.scheme, name)}` : "All structures");
  }

  goToFinding(finding) {
    const viewer = this.#viewer;
    announce(this.findings.spoken());
    if (!viewer) return;
    const structure = this.detail.structures.find((one) => one.name === finding.structure);
    viewer.places.finding = finding;
    if (finding.place_mm) viewer.goTo(finding.place_mm);
    else if (finding.box) viewer.goTo(middle(finding.box, this.detail.grid.affine));
    else if (structure) viewer.goToVoxel(structure.center);
  }

  // Keys and buttons

  acts = {
    outline: () => this.#look((viewer) => (viewer.outline = !viewer.look.outline)),
    hideOthers: () => this.#look((viewer) => this.#hideOthers(viewer)),
    toggleMap: () => this.#look((viewer) => this.#toggleMap(viewer)),
    compare: (name) => this.#look((viewer) => viewer.compare(name ? "map" : viewer.layer, name)),
    solid: () => this.#look((viewer) => viewer.setSolid(!viewer.solid)),
  };

  /** Do something to the viewer, if there is one; tell what fails. */
  async #look(act) {
    if (!this.#viewer) return;
    try {
      await act(this.#viewer);
    } catch (error) {
      if (!this.#closed && error.name !== "AbortError") toast(error.message, "bad");
    }
  }

  #hideOthers(viewer) {
    const name = viewer.structureAt ?? this.#hidden;
    if (!viewer.look.only && !name) return announce("There is no structure under the cross");
    return this.showOnly(viewer.look.only ? null : name);
  }

  async #toggleMap(viewer) {
    const other = others(viewer)[0];
    if (!other) return announce("There is no other map of this case");
    const next = viewer.layer === "map" ? other.name : "map";
    announce(`Now shown: ${viewer.layers.get(next).title}`);
    await viewer.setLayer(next);
  }

  #keys() {
    const look = (act) => () => void this.#look(act);
    const more = (by) => look((viewer) => (viewer.opacity = Math.round((viewer.look.opacity + by) * 20) / 20));
    return {
      1: ["Soft-tissue window", look((viewer) => viewer.setWindow("soft"))],
      2: ["Lung window", look((viewer) => viewer.setWindow("lung"))],
      3: ["Bone window", look((viewer) => viewer.setWindow("bone"))],
      f: ["Fill or outline", this.acts.outline],
      h: ["Hide all but the structure under the cross", this.acts.hideOthers],
      t: ["This map, or the one before", this.acts.toggleMap],
      c: ["Compare side by side", look((viewer) => this.acts.compare(viewer.compared ? null : (others(viewer)[0]?.name ?? null)))],
      "[": ["Less colour", more(-OPACITY_STEP)],
      "]": ["More colour", more(OPACITY_STEP)],
      v: ["Next view: all planes, or one", look((viewer) => viewer.setView(VIEWS[(VIEWS.indexOf(viewer.view) + 1) % VIEWS.length]))],
      d: ["Structures in space", this.acts.solid],
      ".": ["Slice towards the head", look((viewer) => viewer.step(2, 1))],
      ",": ["Slice towards the feet", look((viewer) => viewer.step(2, -1))],
      j: ["Next finding", () => this.#stepFinding(1)],
      k: ["Finding before", () => this.#stepFinding(-1)],
      "/": ["Find a structure", () => this.#find()],
      "Shift+ArrowUp": ["In the planes: arrows move the cross, with Shift by ten; Page up and down the slice; + and − magnify, 0 fits", () => false],
    };
  }

  #stepFinding(by) {
    this.choose("findings");
    this.findings.step(by);
  }

  #find() {
    this.choose("structures");
    this.structures.focus();
  }

  choose(name) {
    for (const tab of this.root.querySelectorAll("[role=tab]")) {
      const on = tab.dataset.panel === name;
      tab.setAttribute("aria-selected", String(on));
      tab.tabIndex = on ? 0 : -1;
      this.#part(`.panel-${tab.dataset.panel}`).hidden = !on;
    }
  }

  #tabKey(event) {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    const other = [...this.root.querySelectorAll("[role=tab]")].find((tab) => tab !== event.target);
    this.choose(other.dataset.panel);
    other.focus();
    event.preventDefault();
  }

  #part(selector) {
    return this.root.querySelector(selector);
  }
}

function skeleton(detail) {
  const about = [detail.subject !== detail.case && detail.subject, { F: "female", M: "male" }[detail.sex] ?? detail.sex, age(detail)];
  return html`<section class="case">
    <div class="left">
      <header class="case-head">
        <h1>${detail.case}</h1>
        <span class="muted">${about.filter(Boolean).join(", ")}</span>
        ${stateOf(detail.state)}
      </header>
      <div class="toolbar" role="toolbar" aria-label="Picture"></div>
      <div class="stage"><div class="stage-message"></div></div>
      <p class="readout" aria-label="Under the cross"></p>
    </div>
    <aside class="side" aria-label="Findings, structures and verdict">
      <div class="lists">
        <div role="tablist" aria-label="Lists">
          <button type="button" role="tab" id="tab-findings" data-panel="findings" aria-controls="panel-findings">
            Findings <small class="number">${detail.findings.length}</small>
          </button>
          <button type="button" role="tab" id="tab-structures" data-panel="structures" aria-controls="panel-structures">
            Structures <small class="number">${detail.structures.length}</small>
          </button>
        </div>
        <div role="tabpanel" id="panel-findings" class="panel-findings" aria-labelledby="tab-findings" tabindex="-1"></div>
        <div role="tabpanel" id="panel-structures" class="panel-structures" aria-labelledby="tab-structures" tabindex="-1"></div>
      </div>
      <section class="panel-verdict" aria-label="Verdict"></section>
    </aside>
  </section>`;
}

const loading = () => html`<p class="loading" role="status">Loading the CT …</p>`;
const age = ({ age_years: years }) => (years === null || years === undefined ? "" : `${Math.floor(years)} years`);

function readout(viewer, scheme) {
  const { hu, structureAt: name } = viewer;
  const { level, width } = viewer.look;
  const colour = scheme.structures.find((one) => one.name === name)?.color;
  return html`<span class="number">Voxel ${viewer.voxel.join(", ")}</span>
    <span class="number">${hu === null ? "no HU" : `${hu.exact ? "" : "≈ "}${hu.value} HU`}</span>
    <span class="under">
      ${colour ? html`<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true"><rect width="10" height="10" fill=${colour} /></svg>` : nothing}
      ${name ? titled(scheme, name) : "no structure"}
    </span>
    ${viewer.compared ? html`<span>beside: ${titledOrNone(scheme, viewer.structureIn(viewer.compared))}</span>` : nothing}
    <span class="number muted">level ${level}, width ${width}</span>
    <span class="muted">${viewer.resolution}</span>`;
}

const titledOrNone = (scheme, name) => (name ? titled(scheme, name) : "no structure");

function middle(box, affine) {
  return applied(affine, box.map(([start, stop]) => Math.floor((start + stop - 1) / 2)));
}

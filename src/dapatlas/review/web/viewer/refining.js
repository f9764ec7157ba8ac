// Finer and finer levels for the panes, as far as the device and the reader want them.
import { budget } from "./graphics.js";
import { keep, kept } from "../shell/storage.js";

export const DETAILS = { auto: "Detail: automatic", half: "Detail: half", full: "Detail: full" };
const DETAIL = "dapatlas.detail";
const CT = "ct";
const VOXEL_BYTES = 3; // two of HU, one of a label

export class Refining {
  stuck = false; // a finer level could not be had
  stopped = false;

  /** `came(pane, level, what)` is called with each level that has come, `failed(error)` when a finer one has not. */
  constructor(layers, panes, { came, failed } = {}) {
    Object.assign(this, { layers, panes, came, failed });
  }

  get detail() {
    return kept(DETAIL, "auto");
  }

  set detail(name) {
    keep(DETAIL, name);
    this.stuck = false;
  }

  /** Show the coarsest level of a pane's map, and of the CT under it. */
  async begin(pane) {
    const [step] = this.#steps(pane);
    await Promise.all(this.#layersOf(pane, step).map((name) => this.#show(pane, name, step)));
  }

  /** Let finer levels come one after the other, while the page goes on. */
  async goOn(pane) {
    try {
      for (const step of this.#steps(pane).slice(1)) {
        for (const name of this.#layersOf(pane, step)) await this.#show(pane, name, step);
        if (this.stopped) return;
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      this.stuck = true;
      this.failed(error);
    }
  }

  /** Coarsest first, of map and CT. */
  #steps(pane) {
    return [...new Set([CT, pane.layer].flatMap((name) => this.layers.steps(name)))].sort((a, b) => b - a);
  }

  #layersOf(pane, step) {
    return [pane.layer, CT].filter((name) => this.layers.steps(name).includes(step));
  }

  async #show(pane, name, step) {
    const kind = name === CT ? CT : "map";
    const seen = this.fits(name, step);
    if (kind === CT && !seen) return;
    if (pane.shown[kind]?.name === name && pane.shown[kind].step <= step) return;
    const level = await this.layers.load(name, step); // of a map always: what lies under the cross is read from it
    const wanted = kind === CT || pane.layer === name;
    if (this.stopped || !wanted) return;
    if (seen) await pane.show(level);
    if (!this.stopped) this.came(pane, level, { layer: name, step, finest: step === this.layers.steps(name).at(-1), shown: seen });
  }

  /** Whether a level may go to the graphics card. The coarsest may always, if it can. */
  fits(name, step) {
    const shape = this.layers.shape(name, step);
    if (Math.max(...shape) > this.panes[0].planes.largest) return false;
    if (step === this.layers.steps(name)[0] || this.detail === "full") return true;
    if (this.detail === "half" && step === 1) return false;
    return shape[0] * shape[1] * shape[2] * VOXEL_BYTES * this.panes.length <= budget();
  }

  /** In words, how finely the CT is shown. */
  get words() {
    const step = this.panes[0]?.shown.ct?.step;
    const steps = this.layers.steps(CT);
    const next = !this.stuck && steps.find((one) => one < step && this.fits(CT, one));
    const word = { 1: "full", 2: "half", 4: "quarter" }[step] ?? "";
    return word && `${word} resolution${next ? ", finer is coming" : step > steps.at(-1) && !this.stuck ? " (finest for this device)" : ""}`;
  }
}

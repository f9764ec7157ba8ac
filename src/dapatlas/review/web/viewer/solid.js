// The structures in space: NiiVue's rendering of the coarse label map.
import { Niivue, NVImage } from "../vendor/niivue.js";
import { labelColours } from "../case/colours.js";

const OPTIONS = {
  interactive: false,
  dragAndDropEnabled: false,
  sliceType: 4, // rendering
  crosshairWidth: 0,
  isOrientCube: true,
  backColor: [0, 0, 0, 1],
  logLevel: "error",
  loadingText: "",
};
const TURN = 0.6; // degrees for each pixel

export class Solid {
  #stop = new AbortController();
  #shown = null;

  static async open(host, structures) {
    const solid = new Solid();
    solid.host = host;
    solid.structures = structures;
    solid.canvas = document.createElement("canvas");
    solid.canvas.className = "solid";
    solid.canvas.tabIndex = 0;
    solid.canvas.setAttribute("role", "img");
    solid.canvas.setAttribute("aria-label", "The structures in space; arrow keys turn them");
    host.append(solid.canvas);
    solid.nv = new Niivue(OPTIONS);
    await solid.nv.attachToCanvas(solid.canvas, false);
    solid.#turnByHand();
    return solid;
  }

  /** Show a level of a map: one structure, or all but those that wrap the others (skin, fat, muscles). */
  async show(level, only) {
    const structures = new Map(this.structures.map((structure) => [structure.id, structure]));
    const seen = (structure) => (only ? structure.name === only : structure.region !== "whole_body");
    const data = new level.data.constructor(level.data.length);
    for (let n = 0; n < data.length; n++) {
      const id = level.data[n];
      if (id && structures.has(id) && seen(structures.get(id))) data[n] = id;
    }
    const size = [0, 1, 2].map((axis) => Math.hypot(...[0, 1, 2].map((row) => level.affine[row][axis])));
    const type = data instanceof Uint8Array ? 2 : 512;
    const file = NVImage.createNiftiArray(level.shape, size, level.affine.flat(), type, data);
    const volume = await NVImage.new(file.buffer, "map.nii");
    if (!this.nv) return;
    volume.setColormapLabel(labelColours(this.structures, seen));
    for (const old of [...this.nv.volumes]) this.nv.removeVolume(old);
    this.nv.addVolume(volume);
    if (!this.#shown) this.nv.setRenderAzimuthElevation(200, 10);
    this.#shown = volume;
  }

  turn(degrees, up) {
    const { renderAzimuth, renderElevation } = this.nv.scene;
    this.nv.setRenderAzimuthElevation(renderAzimuth + degrees, Math.max(-90, Math.min(90, renderElevation + up)));
  }

  magnify(factor) {
    const next = this.nv.scene.volScaleMultiplier * factor;
    this.nv.setScale(Math.min(4, Math.max(0.5, next)));
  }

  close() {
    this.#stop.abort();
    this.nv?.cleanup();
    this.nv?.gl.getExtension("WEBGL_lose_context")?.loseContext();
    this.nv = null;
    this.canvas.remove();
  }

  #turnByHand() {
    const options = { signal: this.#stop.signal };
    let last = null;
    const listen = (name, act, more = {}) => this.canvas.addEventListener(name, act, { ...options, ...more });
    listen("pointerdown", (event) => {
      last = [event.clientX, event.clientY];
      this.canvas.setPointerCapture(event.pointerId);
    });
    listen("pointermove", (event) => {
      if (!last) return;
      this.turn((event.clientX - last[0]) * TURN, (event.clientY - last[1]) * TURN);
      last = [event.clientX, event.clientY];
    });
    for (const end of ["pointerup", "pointercancel"]) listen(end, () => (last = null));
    listen("wheel", (event) => (event.preventDefault(), this.magnify(event.deltaY < 0 ? 1.1 : 1 / 1.1)), { passive: false });
    listen("keydown", (event) => {
      const turns = { ArrowLeft: [-10, 0], ArrowRight: [10, 0], ArrowUp: [0, 10], ArrowDown: [0, -10] };
      if (!turns[event.key]) return;
      event.preventDefault();
      this.turn(...turns[event.key]);
    });
  }
}

// A case's volumes on the screen: what the rest of the page asks for, in voxels of the map's full grid and in mm.
import { checkGraphics } from "./graphics.js";
import { Grid } from "./grid.js";
import { Layers } from "./layers.js";
import { dragged, FIRST_LOOK, levels, shaded } from "./look.js";
import { applied } from "./matrix.js";
import { Panes } from "./panes.js";
import { Places } from "./places.js";
import { Refining } from "./refining.js";
import { SolidPane } from "./solid_pane.js";

const CT = "ct";

/**
 * `panes` are the maps on the screen, `places` the marks and boxes over them, `layers` the volumes.
 *
 * Fires `moved` ({voxel, mm, structure, hu}), `level` ({layer, step, finest}), `look` (window, opacity, … have
 * changed) and `error` ({message}).
 */
export class Viewer extends EventTarget {
  #refining = null;
  #solid = null;
  #look = { ...FIRST_LOOK };
  #closed = false;

  /** Resolves with the first picture, which is coarse; finer levels follow by themselves. */
  static async open(canvasHost, detail, scheme) {
    checkGraphics();
    const viewer = new Viewer();
    try {
      await viewer.#begin(canvasHost, detail, scheme);
    } catch (error) {
      viewer.close();
      throw error;
    }
    return viewer;
  }

  async #begin(host, detail, scheme) {
    this.grid = new Grid(detail.grid);
    this.structures = scheme.structures;
    const known = [...detail.structures, ...scheme.structures]; // the scheme's word counts, where both have one
    this.names = new Map(known.map((structure) => [structure.id, structure.name]));
    this.ids = new Map(known.map((structure) => [structure.name, structure.id]));
    this.layers = new Layers(detail.layers);
    const first = [CT, "map"].map((name) => this.layers.load(name, this.layers.steps(name)[0])); // while NiiVue starts
    for (const coming of first) coming.catch(() => {});
    this.panes = new Panes(host, this, () => this.#lost());
    this.places = new Places(host, this.panes, () => this.#fire("look"));
    this.#solid = new SolidPane(host, this.structures);
    this.#refining = new Refining(this.layers, this.panes.all, {
      came: (...told) => this.#levelCame(...told),
      failed: (error) => {
        this.#tell(error);
        this.#fire("look");
      },
    });
    const pane = await this.panes.open("map");
    await Promise.all(first);
    this.#applyLook();
    this.panes.mm = this.grid.mmOf(this.grid.middle);
    await this.#refining.begin(pane);
    if (this.#closed) throw new DOMException("closed", "AbortError");
    this.#moved();
    this.#refining.goOn(pane);
  }

  // Where

  /** The cross, in voxels. */
  get voxel() {
    return this.grid.voxelAt(this.panes.first.planes.mm);
  }

  get mm() {
    return this.grid.mmOf(this.voxel);
  }

  /** Name of the structure under the cross in the map shown; null where there is none. */
  get structureAt() {
    return this.structureIn(this.layer);
  }

  structureIn(layer) {
    const id = this.layers.finest(layer)?.at(this.mm) ?? 0;
    return id ? (this.names.get(id) ?? `label ${id}`) : null;
  }

  /** HU under the cross, and whether it is the voxel's own rather than the mean of a few. */
  get hu() {
    const level = this.layers.finest(CT);
    const value = level?.at(this.mm) ?? null;
    return value === null ? null : { value, exact: level.step === 1 };
  }

  goTo(mm) {
    this.goToVoxel(this.grid.voxelAt(mm));
  }

  goToVoxel(voxel) {
    this.#setVoxel(voxel);
    this.panes.centre();
  }

  #setVoxel(voxel) {
    this.panes.mm = this.grid.mmOf(this.grid.inside(voxel));
    this.#moved();
  }

  #moved() {
    const { voxel } = this;
    this.places.moved(voxel);
    this.#fire("moved", { voxel, mm: this.mm, structure: this.structureAt, hu: this.hu });
  }

  // How it looks

  get look() {
    return { ...this.#look };
  }

  setWindow(name) {
    this.#change({ window: name, ...levels(name) });
  }

  set opacity(part) {
    this.#change({ opacity: Math.min(1, Math.max(0, part)) });
  }

  set outline(on) {
    this.#change({ outline: Boolean(on) });
  }

  /** Show one structure and hide all others; null shows all. */
  only(name) {
    if (name === this.#look.only) return;
    this.#change({ only: name });
    this.#showSolid();
  }

  #change(some) {
    Object.assign(this.#look, some);
    this.#applyLook();
    this.#fire("look");
  }

  #applyLook() {
    this.panes.look = shaded(this.#look, this.ids);
  }

  get view() {
    return this.panes.view;
  }

  /** "all", or the name of one plane. */
  setView(view) {
    this.panes.view = view;
    this.#fire("look");
  }

  resetView() {
    this.panes.fit();
  }

  // Which maps

  /** Name of the label layer shown. */
  get layer() {
    return this.panes.first.layer;
  }

  get compared() {
    return this.panes.second?.layer ?? null;
  }

  async setLayer(name) {
    await this.#setMap(this.panes.first, name);
    this.#showSolid();
  }

  /** Two maps side by side; null as the second closes it. */
  async compare(first, second) {
    if (second === null) this.panes.closeSecond();
    await this.#setMap(this.panes.first, first);
    if (second === null) return void this.#fire("look");
    if (this.panes.second) return this.#setMap(this.panes.second, second);
    const pane = await this.panes.open(second);
    this.#solid.toEnd();
    this.#applyLook();
    pane.planes.setView(this.view);
    pane.planes.pan = this.panes.first.planes.pan;
    pane.planes.mm = this.mm;
    this.places.show();
    this.#fire("look");
    await this.#refining.begin(pane);
    this.#refining.goOn(pane);
  }

  async #setMap(pane, name) {
    if (pane.layer === name) return;
    this.panes.name(pane, name);
    this.#fire("look");
    const kept = this.layers.finest(name);
    if (kept && this.#refining.fits(name, kept.step)) await pane.show(kept);
    else await this.#refining.begin(pane);
    this.#moved();
    this.#refining.goOn(pane);
  }

  get solid() {
    return this.#solid.isOpen;
  }

  /** Show or hide the rendering in space. */
  async setSolid(on) {
    if (!on) this.#solid.close();
    else if (!this.solid) {
      const opened = this.#solid.open();
      this.#fire("look");
      if (!(await opened)) return;
      await this.#showSolid();
    }
    this.#fire("look");
  }

  async #showSolid() {
    await this.#solid.show(this.layers.coarsest(this.layer), this.#look.only).catch((error) => this.#tell(error));
  }

  // What the gestures ask for; they magnify and shift the panes themselves

  /** Bring the cross to a place in some planes, told in parts of their volume. */
  place(frac, planes) {
    this.#setVoxel(this.#voxelAt(frac, planes));
  }

  /** Go some voxels along the axis of the world, towards right, front or head. */
  step(world, count) {
    this.#setVoxel(this.grid.stepped(this.voxel, world, count));
  }

  adjustWindow(dx, dy) {
    this.#change(dragged(this.#look, dx, dy));
  }

  /** The box being drawn goes from one place to another, within the slice that the cross is in. */
  draft(from, to, depth, planes) {
    const [a, b] = [from, to].map((frac) => this.#voxelAt(frac, planes));
    const axis = this.grid.axisAlong(depth);
    a[axis] = b[axis] = this.voxel[axis];
    this.places.drag(a, b);
  }

  #voxelAt(frac, planes) {
    return this.grid.voxelAt(applied(planes.toMm, frac));
  }

  // Resolution

  get detail() {
    return this.#refining.detail;
  }

  set detail(name) {
    this.#refining.detail = name;
    for (const pane of this.panes.all) this.#refining.goOn(pane);
    this.#fire("look");
  }

  /** In words, how finely the CT is shown. */
  get resolution() {
    return this.#refining.words;
  }

  #levelCame(pane, level, what) {
    this.#fire("level", what);
    if (pane !== this.panes.first) return;
    this.#moved();
    if (level === this.layers.coarsest(pane.layer)) this.#showSolid();
  }

  // What goes wrong, and the end

  #lost() {
    if (this.#closed) return;
    this.#tell(new Error("The graphics card has given up. Load the page anew; if it happens again, choose half detail."));
  }

  #tell(error) {
    if (this.#closed || error.name === "AbortError") return;
    this.#fire("error", { message: error.message });
  }

  #fire(name, detail) {
    if (!this.#closed) this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.places?.cancel();
    if (this.#refining) this.#refining.stopped = true;
    this.layers?.close();
    this.#solid?.close();
    this.panes?.close();
  }
}

// A case's volumes on the screen: what the rest of the page asks for, in voxels of the map's full grid and in mm.
import { BoxDrawing } from "./boxdraw.js";
import { checkGraphics } from "./graphics.js";
import { Layers } from "./layers.js";
import { dragged, FIRST_LOOK, levels, shaded } from "./look.js";
import { applied, inverse } from "./matrix.js";
import { axisAlong } from "./overlay.js";
import { Pane, part } from "./pane.js";
import { Refining } from "./refining.js";
import { Solid } from "./solid.js";

const CT = "ct";

/**
 * Fires `moved` ({voxel, mm, structure, hu}), `level` ({layer, step, finest}), `look` (window, opacity, … have
 * changed) and `error` ({message}).
 */
export class Viewer extends EventTarget {
  #panes = [];
  #refining = null;
  #solid = null;
  #drawing = null;
  #marks = [];
  #finding = null;
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
    this.host = host;
    this.grid = detail.grid;
    this.toVoxel = inverse(detail.grid.affine);
    this.structures = scheme.structures;
    const known = [...detail.structures, ...scheme.structures]; // the scheme's word counts, where both have one
    this.names = new Map(known.map((structure) => [structure.id, structure.name]));
    this.ids = new Map(known.map((structure) => [structure.name, structure.id]));
    this.layers = new Layers(detail.layers);
    const first = [CT, "map"].map((name) => this.layers.load(name, this.layers.steps(name)[0])); // while NiiVue starts
    for (const coming of first) coming.catch(() => {});
    this.#refining = new Refining(this.layers, this.#panes, (...told) => this.#levelCame(...told));
    const pane = await this.#addPane("map");
    await Promise.all(first);
    this.#applyLook();
    pane.planes.mm = applied(this.grid.affine, this.grid.shape.map((n) => Math.floor(n / 2)));
    await this.#refining.refine(pane, true);
    if (this.#closed) throw new DOMException("closed", "AbortError");
    this.#moved();
    this.#goOn(pane);
  }

  // Where

  get #main() {
    return this.#panes[0].planes;
  }

  /** The cross, in voxels. */
  get voxel() {
    return this.#inside(applied(this.toVoxel, this.#main.mm));
  }

  get mm() {
    return applied(this.grid.affine, this.voxel);
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
    this.goToVoxel(applied(this.toVoxel, mm));
  }

  goToVoxel(voxel) {
    this.#setVoxel(voxel);
    for (const { planes } of this.#panes) planes.centre();
  }

  #setVoxel(voxel) {
    const mm = applied(this.grid.affine, this.#inside(voxel));
    for (const { planes } of this.#panes) planes.mm = mm;
    this.#moved();
  }

  #inside(voxel) {
    return voxel.map((at, axis) => Math.min(this.grid.shape[axis] - 1, Math.max(0, Math.round(at))));
  }

  #moved() {
    const { voxel } = this;
    this.#drawing?.moved(voxel);
    this.#drawPlaces();
    this.#fire("moved", { voxel, mm: this.mm, structure: this.structureAt, hu: this.hu });
  }

  // How it looks

  get look() {
    return { ...this.#look };
  }

  setWindow(name) {
    this.#change({ window: name, ...levels(name) });
  }

  get opacity() {
    return this.#look.opacity;
  }

  set opacity(part) {
    this.#change({ opacity: Math.min(1, Math.max(0, part)) });
  }

  get outline() {
    return this.#look.outline;
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
    const look = shaded(this.#look, this.ids);
    for (const { planes } of this.#panes) {
      planes.look = look;
      planes.draw();
    }
  }

  get view() {
    return this.#main.view;
  }

  /** "all", or the name of one plane. */
  setView(view) {
    for (const { planes } of this.#panes) planes.setView(view);
    this.#fire("look");
  }

  resetView() {
    for (const { planes } of this.#panes) planes.pan = [0, 0, 0, 1];
  }

  // Which maps

  /** Name of the label layer shown. */
  get layer() {
    return this.#panes[0].layer;
  }

  get compared() {
    return this.#panes[1]?.layer ?? null;
  }

  async setLayer(name) {
    await this.#setMap(this.#panes[0], name);
    this.#showSolid();
  }

  /** Two maps side by side; null as the second closes it. */
  async compare(first, second) {
    if (second === null) this.#dropPane();
    await this.#setMap(this.#panes[0], first);
    if (second === null) return void this.#fire("look");
    if (this.#panes[1]) return this.#setMap(this.#panes[1], second);
    const pane = await this.#addPane(second);
    this.#applyLook();
    pane.planes.setView(this.view);
    pane.planes.pan = this.#main.pan;
    pane.planes.mm = this.mm;
    this.#drawPlaces();
    this.#fire("look");
    await this.#refining.refine(pane, true);
    this.#goOn(pane);
  }

  async #setMap(pane, name) {
    if (pane.layer === name) return;
    pane.layer = name;
    pane.title(this.#title(pane));
    this.#fire("look");
    const kept = this.layers.finest(name);
    if (kept && this.#refining.fits(name, kept.step)) await pane.show(kept);
    else await this.#refining.refine(pane, true);
    this.#moved();
    this.#goOn(pane);
  }

  get solid() {
    return this.#solid !== null;
  }

  /** Show or hide the rendering in space. */
  async setSolid(on) {
    if (!on) {
      this.#solid?.view?.close();
      this.#solid?.element.remove();
      this.#solid = null;
    } else if (!this.#solid) {
      const element = part(this.host, "pane solid-pane");
      this.#solid = { element, view: null };
      this.#fire("look");
      const view = await Solid.open(element, this.structures);
      if (this.#solid?.element !== element) return view.close();
      this.#solid.view = view;
      await this.#showSolid();
    }
    this.#fire("look");
  }

  async #showSolid() {
    const level = this.layers.coarsest(this.layer);
    if (this.#solid?.view && level) await this.#solid.view.show(level, this.#look.only).catch((error) => this.#tell(error));
  }

  // Marks and findings

  /** Marks: [{box|point, kind}]. */
  showPlaces(places) {
    this.#marks = places;
    this.#drawPlaces();
  }

  /** The finding that is looked at, with its severity; null for none. */
  showFinding(finding) {
    this.#finding = finding?.box ? { box: finding.box, kind: finding.severity, chosen: true } : null;
    this.#drawPlaces();
  }

  #drawPlaces() {
    for (const { planes, overlay } of this.#panes) {
      overlay.places = this.#finding ? [...this.#marks, this.#finding] : this.#marks;
      overlay.draft = this.#drawing?.corners ?? null;
      planes.draw();
    }
  }

  get drawing() {
    return this.#drawing !== null;
  }

  /** Let the reader draw a box. Resolves to it (start and stop along i, j, k, stop exclusive), or to null. */
  async drawBox() {
    this.#drawing?.cancel();
    const drawing = new BoxDrawing();
    this.#drawing = drawing;
    this.host.classList.add("drawing");
    this.#panes[0].surface.focus({ preventScroll: true });
    this.#fire("look");
    const box = await drawing.done;
    if (this.#drawing === drawing) {
      this.#drawing = null;
      this.host.classList.remove("drawing");
      this.#drawPlaces();
      this.#fire("look");
    }
    return box;
  }

  // What the gestures ask for

  place(frac, planes) {
    this.#setVoxel(applied(this.toVoxel, applied(planes.toMm, frac)));
  }

  /** Go some voxels along the axis of the world, towards left, front or head. */
  step(world, count) {
    const axis = axisAlong(this.grid.affine, world);
    const { voxel } = this;
    voxel[axis] += count * Math.sign(this.grid.affine[world][axis] || 1);
    this.#setVoxel(voxel);
  }

  adjustWindow(dx, dy) {
    this.#change(dragged(this.#look, dx, dy));
  }

  magnify(factor, frac, planes) {
    planes.magnify(factor, frac);
    this.#follow(planes);
  }

  shift(from, to, planes) {
    planes.shift(from, to);
    this.#follow(planes);
  }

  #follow(planes) {
    for (const other of this.#panes) if (other.planes !== planes) other.planes.pan = planes.pan;
  }

  draft(from, to, depth, planes) {
    const [a, b] = [from, to].map((frac) => this.#inside(applied(this.toVoxel, applied(planes.toMm, frac))));
    const axis = axisAlong(this.grid.affine, depth);
    a[axis] = b[axis] = this.voxel[axis];
    this.#drawing?.drag(a, b);
    this.#drawPlaces();
  }

  drawn() {
    this.#drawing?.release();
    this.#drawPlaces();
  }

  corner() {
    this.#drawing?.corner(this.voxel);
    this.#drawPlaces();
  }

  cancelDrawing() {
    this.#drawing?.cancel();
  }

  // Resolution

  get detail() {
    return this.#refining.detail;
  }

  set detail(name) {
    this.#refining.detail = name;
    for (const pane of this.#panes) this.#goOn(pane);
    this.#fire("look");
  }

  /** In words, how finely the CT is shown. */
  get resolution() {
    return this.#refining.words;
  }

  /** Let finer levels come, while the page goes on. */
  #goOn(pane) {
    this.#refining.refine(pane, false).catch((error) => {
      if (error.name === "AbortError") return;
      this.#refining.stuck = true;
      this.#tell(error);
      this.#fire("look");
    });
  }

  #levelCame(pane, level, what) {
    this.#fire("level", what);
    if (pane !== this.#panes[0]) return;
    this.#moved();
    if (level === this.layers.coarsest(pane.layer)) this.#showSolid();
  }

  // Panes

  async #addPane(layer) {
    const pane = await Pane.open(this.host, this, layer);
    pane.planes.canvas.addEventListener("webglcontextlost", () => this.#panes.includes(pane) && this.#lost());
    this.#panes.push(pane);
    if (this.#solid) this.host.append(this.#solid.element);
    pane.title(this.#title(pane));
    return pane;
  }

  #title({ layer }) {
    return this.layers.labels.length > 1 ? (this.layers.get(layer)?.title ?? layer) : "";
  }

  #dropPane() {
    const pane = this.#panes[1];
    if (!pane) return;
    this.#panes.length = 1;
    pane.close();
  }

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
    this.#drawing?.cancel();
    if (this.#refining) this.#refining.stopped = true;
    this.layers?.close();
    this.#solid?.view?.close();
    this.#solid?.element.remove();
    for (const pane of this.#panes) pane.close();
  }
}

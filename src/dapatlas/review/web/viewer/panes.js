// The maps on the screen: one, or two side by side, which show the same place, magnified alike.
import { Pane } from "./pane.js";

export class Panes {
  all = []; // the first one has the map that is read, or what is shown in its stead

  /** Gestures in a pane ask `viewer`; `lost()` is called when the graphics card gives one up. */
  constructor(host, viewer, lost) {
    Object.assign(this, { host, viewer, lost });
  }

  get first() {
    return this.all[0];
  }

  get second() {
    return this.all[1] ?? null;
  }

  async open(layer) {
    const pane = await Pane.open(this.host, this.viewer, layer);
    pane.planes.canvas.addEventListener("webglcontextlost", () => this.all.includes(pane) && this.lost());
    this.all.push(pane);
    this.name(pane, layer);
    return pane;
  }

  /** Say which map a pane has; where there is but one, nothing needs to be said. */
  name(pane, layer) {
    const { layers } = this.viewer;
    pane.layer = layer;
    pane.title(layers.labels.length > 1 ? (layers.get(layer)?.title ?? layer) : "");
  }

  closeSecond() {
    const pane = this.second;
    if (!pane) return;
    this.all.length = 1; // and the loss of its graphics is no news
    pane.close();
  }

  /** Let all planes cross at a place in mm. */
  set mm(place) {
    for (const { planes } of this.all) planes.mm = place;
  }

  /** Bring where the planes cross to the middle of each, if the picture is magnified. */
  centre() {
    for (const { planes } of this.all) planes.centre();
  }

  /** Greys, colours, what is hidden: in the numbers of the shader. */
  set look(numbers) {
    for (const { planes } of this.all) {
      planes.look = numbers;
      planes.draw();
    }
  }

  /** "all", or the name of one plane. */
  get view() {
    return this.first.planes.view;
  }

  set view(view) {
    for (const { planes } of this.all) planes.setView(view);
  }

  /** Show the whole picture again. */
  fit() {
    for (const { planes } of this.all) planes.pan = [0, 0, 0, 1];
  }

  /** Magnify in the planes of one pane, holding a place of the volume; the other follows. */
  magnify(factor, frac, planes) {
    planes.magnify(factor, frac);
    this.#follow(planes);
  }

  shift(from, to, planes) {
    planes.shift(from, to);
    this.#follow(planes);
  }

  #follow(planes) {
    for (const other of this.all) if (other.planes !== planes) other.planes.pan = planes.pan;
  }

  close() {
    for (const pane of this.all) pane.close();
  }
}

// What lies over the planes: marks, the finding that is looked at, and a box while the reader draws it.
import { BoxDrawing } from "./boxdraw.js";

export class Places {
  #marks = [];
  #finding = null;
  #drawing = null;

  /** `changed()` is called when drawing begins and when it ends. */
  constructor(host, panes, changed) {
    Object.assign(this, { host, panes, changed });
  }

  /** [{box|point, kind}], in voxels. */
  set marks(places) {
    this.#marks = places;
    this.show();
  }

  /** The finding that is looked at, with its severity; null for none. */
  set finding(finding) {
    this.#finding = finding?.box ? { box: finding.box, kind: finding.severity, chosen: true } : null;
    this.show();
  }

  show() {
    for (const { planes, overlay } of this.panes.all) {
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
    this.panes.first.surface.focus({ preventScroll: true });
    this.changed();
    const box = await drawing.done;
    if (this.#drawing === drawing) {
      this.#drawing = null;
      this.host.classList.remove("drawing");
      this.show();
      this.changed();
    }
    return box;
  }

  /** The cross is at another voxel. */
  moved(voxel) {
    this.#drawing?.moved(voxel);
    this.show();
  }

  /** The mouse has gone from one corner to another. */
  drag(a, b) {
    this.#drawing?.drag(a, b);
    this.show();
  }

  /** The mouse button was let go. */
  release() {
    this.#drawing?.release();
    this.show();
  }

  /** Enter at a voxel: the first corner, then the second. */
  corner(voxel) {
    this.#drawing?.corner(voxel);
    this.show();
  }

  cancel() {
    this.#drawing?.cancel();
  }
}

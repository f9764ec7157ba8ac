// Drawing a box: by dragging in a plane, or with Enter at two corners.
import { boxOf } from "./grid.js";

/** Listens for Escape wherever the focus is, until the box is drawn or given up. */
export class BoxDrawing {
  #anchor = null;
  #stop = new AbortController();

  constructor() {
    this.done = new Promise((resolve) => (this.resolve = resolve));
    document.addEventListener("keydown", (event) => this.#onKey(event), { signal: this.#stop.signal, capture: true });
  }

  /** Both corners while it is drawn, in voxels; null before the first. */
  corners = null;

  /** The mouse is at another corner. */
  drag(a, b) {
    this.corners = { a, b };
  }

  /** The mouse button was let go; a mere click draws nothing. */
  release() {
    const { a, b } = this.corners ?? {};
    if (!a || a.filter((at, axis) => at !== b[axis]).length < 2) this.corners = null;
    else this.#end(boxOf(a, b));
  }

  /** Enter: the first corner, then the second. */
  corner(voxel) {
    if (this.#anchor) return this.#end(boxOf(this.#anchor, voxel));
    this.#anchor = voxel;
    this.moved(voxel);
  }

  moved(voxel) {
    if (this.#anchor) this.corners = { a: this.#anchor, b: voxel };
  }

  cancel() {
    this.#end(null);
  }

  #end(box) {
    this.corners = null;
    this.#stop.abort();
    this.resolve(box);
  }

  #onKey(event) {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    this.cancel();
  }
}

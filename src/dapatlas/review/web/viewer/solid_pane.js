// The rendering in space beside the planes, while the reader wants it.
import { part } from "./pane.js";
import { Solid } from "./solid.js";

export class SolidPane {
  #element = null;
  #view = null; // comes some time after the element

  constructor(host, structures) {
    Object.assign(this, { host, structures });
  }

  get isOpen() {
    return this.#element !== null;
  }

  /** Make room at once; resolves, when NiiVue has started, to whether it is still wanted. */
  async open() {
    const element = part(this.host, "pane solid-pane");
    this.#element = element;
    const view = await Solid.open(element, this.structures);
    if (this.#element !== element) {
      view.close();
      return false;
    }
    this.#view = view;
    return true;
  }

  /** Show a level of a map, if there is one and somebody looks: one structure, or all. */
  async show(level, only) {
    if (this.#view && level) await this.#view.show(level, only);
  }

  /** Stand behind panes that have come later. */
  toEnd() {
    if (this.#element) this.host.append(this.#element);
  }

  close() {
    this.#view?.close();
    this.#element?.remove();
    this.#view = this.#element = null;
  }
}

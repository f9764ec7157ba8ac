// One map over the CT, in planes; two panes beside each other compare two maps.
import { follow } from "./gestures.js";
import { Overlay } from "./overlay.js";
import { Planes } from "./planes.js";

export class Pane {
  shown = { ct: null, map: null }; // {name, step} of what is on the graphics card

  static async open(host, viewer, layer) {
    const pane = new Pane();
    pane.layer = layer;
    pane.element = part(host, "pane");
    pane.surface = part(pane.element, "surface");
    pane.surface.tabIndex = 0;
    pane.surface.setAttribute("role", "application");
    pane.surface.setAttribute("aria-label", "Planes of the CT. Arrow keys move the cross, Page up and Page down the slice.");
    try {
      pane.planes = await Planes.open(pane.surface, viewer.grid, viewer.structures);
    } catch (error) {
      pane.element.remove();
      throw error;
    }
    pane.overlay = new Overlay(pane.planes, viewer.grid);
    pane.stop = follow(pane.surface, pane.planes, viewer);
    pane.label = part(pane.element, "pane-title");
    return pane;
  }

  /** Bring a level to the graphics card, and show it unless another has overtaken it. */
  async show(level) {
    const kind = level.layer === "ct" ? "ct" : "map";
    if (await this.planes.show(kind, level)) this.shown[kind] = { name: level.layer, step: level.step };
  }

  /** Say which map this is; an empty text says nothing. */
  title(text) {
    this.label.textContent = text;
    this.label.hidden = !text;
  }

  close() {
    this.stop();
    this.planes.close();
    this.element.remove();
  }
}

/** A new element of a class at the end of another. */
export function part(host, className) {
  const element = document.createElement("div");
  element.className = className;
  host.append(element);
  return element;
}

// What is drawn over the planes: the cross, boxes and points of findings and marks, a box being drawn.
import { boxOf } from "./grid.js";
import { applied } from "./matrix.js";

const CROSS = "rgba(255, 236, 110, 0.85)";
const SEAM = "#2e3744"; // between planes
const HOLE = 9; // pixels around the place itself that stay free
const COLOURS = { error: "#ff938a", warning: "#f2bd5c", info: "#7cc4ff", mark: "#ff7ad9", draft: "#ffffff" };

export class Overlay {
  places = []; // {box|point, kind, chosen}
  draft = null; // {a, b}: two corners in voxels

  constructor(planes, grid) {
    Object.assign(this, { planes, grid });
    this.canvas = document.createElement("canvas");
    this.canvas.className = "overlay";
    this.canvas.setAttribute("aria-hidden", "true");
    planes.host.append(this.canvas);
    planes.addEventListener("drawn", () => this.draw());
  }

  draw() {
    const { width, height } = this.planes.host.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    const size = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== size[0] || this.canvas.height !== size[1]) [this.canvas.width, this.canvas.height] = size;
    const pen = this.canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    for (const tile of this.planes.tiles()) this.#drawTile(pen, tile);
  }

  #drawTile(pen, tile) {
    pen.save();
    pen.beginPath();
    pen.rect(tile.left, tile.top, tile.width, tile.height);
    pen.clip();
    for (const place of this.places) this.#drawPlace(pen, tile, place);
    if (this.draft) this.#drawBox(pen, tile, boxOf(this.draft.a, this.draft.b), COLOURS.draft, 2, true);
    this.#drawCross(pen, tile);
    pen.restore();
    pen.strokeStyle = SEAM;
    pen.strokeRect(tile.left - 1.5, tile.top - 1.5, tile.width + 3, tile.height + 3);
  }

  #drawCross(pen, tile) {
    const [x, y] = tile.toPixel(this.planes.nv.scene.crosshairPos).map((at) => Math.round(at) + 0.5);
    pen.strokeStyle = CROSS;
    pen.lineWidth = 1;
    pen.setLineDash([]);
    pen.beginPath();
    for (const [from, to] of [[tile.left, x - HOLE], [x + HOLE, tile.left + tile.width]]) {
      pen.moveTo(from, y);
      pen.lineTo(to, y);
    }
    for (const [from, to] of [[tile.top, y - HOLE], [y + HOLE, tile.top + tile.height]]) {
      pen.moveTo(x, from);
      pen.lineTo(x, to);
    }
    pen.stroke();
  }

  #drawPlace(pen, tile, { box, point, kind, chosen }) {
    const colour = COLOURS[kind] ?? COLOURS.mark;
    if (box) this.#drawBox(pen, tile, box, colour, chosen ? 2.5 : 1.5, !(kind in COLOURS));
    else if (point) this.#drawPoint(pen, tile, point, colour);
  }

  /** A box where the plane cuts it; nothing where it does not. */
  #drawBox(pen, tile, box, colour, width, dashed) {
    const here = applied(this.grid.toVoxel, this.planes.mm).map(Math.round);
    const axis = this.grid.axisAlong(tile.axes.depth);
    if (here[axis] < box[axis][0] || here[axis] >= box[axis][1]) return;
    const spots = corners(box).map((corner) => tile.toPixel(this.#frac(corner)));
    const [xs, ys] = [spots.map(([x]) => x), spots.map(([, y]) => y)];
    const [left, top] = [Math.min(...xs), Math.min(...ys)];
    pen.setLineDash(dashed ? [6, 4] : []);
    const area = [left, top, Math.max(4, Math.max(...xs) - left), Math.max(4, Math.max(...ys) - top)];
    pen.strokeStyle = "rgba(0, 0, 0, 0.7)";
    pen.lineWidth = width + 2;
    pen.strokeRect(...area);
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.strokeRect(...area);
  }

  /** A ring where the point is; smaller in planes some slices away. */
  #drawPoint(pen, tile, point, colour) {
    const here = applied(this.grid.toVoxel, this.planes.mm).map(Math.round);
    const axis = this.grid.axisAlong(tile.axes.depth);
    const away = Math.abs(here[axis] - point[axis]);
    if (away > 3) return;
    const [x, y] = tile.toPixel(this.#frac(point));
    pen.setLineDash([]);
    pen.beginPath();
    pen.arc(x, y, 8 - 1.5 * away, 0, 2 * Math.PI);
    pen.strokeStyle = "rgba(0, 0, 0, 0.7)";
    pen.lineWidth = 4;
    pen.stroke();
    pen.strokeStyle = colour;
    pen.lineWidth = 2;
    pen.stroke();
  }

  #frac(voxel) {
    return applied(this.planes.toFrac, this.grid.mmOf(voxel));
  }
}

/** The eight outer corners, in voxels whose centres are whole numbers. */
function corners(box) {
  const [i, j, k] = box.map(([start, stop]) => [start - 0.5, stop - 0.5]);
  return i.flatMap((x) => j.flatMap((y) => k.map((z) => [x, y, z])));
}

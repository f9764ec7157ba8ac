// One canvas with the planes of a case, on NiiVue: axial, coronal, sagittal, in radiological convention.
import { Niivue, NVImage } from "../vendor/niivue.js";
import { palette } from "../case/colours.js";
import { AXES, best, parts, pixels, single, widened } from "./layout.js";
import { applied, fromColumns, IDENTITY, inverse, scaling, times } from "./matrix.js";
import { FRAGMENT, paletteTexture, UNITS, volumeTexture } from "./shading.js";

const SPLIT = 4; // voxels along each axis of the volume that stands in for the real one
const OPTIONS = {
  interactive: false,
  dragAndDropEnabled: false,
  isRadiologicalConvention: true,
  sagittalNoseLeft: true,
  showAllOrientationMarkers: true,
  crosshairWidth: 0,
  backColor: [0, 0, 0, 1],
  fontColor: [0.95, 0.85, 0.45, 1],
  fontSizeScaling: 0.3,
  fontMinPx: 12,
  logLevel: "error",
  loadingText: "",
};

/**
 * The planes through one place. Fires `drawn` after each drawing.
 *
 * NiiVue knows a tiny volume of the same extent as the real one, and does layout, orientation, and the way between
 * screen and world with it; the voxels are ours (shading.js).
 */
export class Planes extends EventTarget {
  look = { greys: [-160, 400], cover: 0.5, line: 0, only: 0 };
  view = "all"; // or the name of one plane
  #textures = { ct: null, map: null, palette: null };
  #matrices = { ct: IDENTITY, map: IDENTITY };
  #asked = 0;
  #turns = { ct: 0, map: 0 };
  #cells = [];

  static async open(host, grid, structures) {
    const planes = new Planes();
    planes.host = host;
    planes.canvas = document.createElement("canvas");
    planes.canvas.className = "planes";
    host.append(planes.canvas);
    await planes.#begin(grid, structures);
    return planes;
  }

  async #begin(grid, structures) {
    this.nv = new Niivue(OPTIONS);
    await this.nv.attachToCanvas(this.canvas, false);
    this.gl = this.nv.gl;
    await this.#placeholders(structures);
    this.nv.setCustomSliceShader(FRAGMENT); // before there is a volume: it draws at once
    this.nv.customSliceShader.use = () => this.#use();
    this.#fillCells();
    const frame = await frameVolume(grid);
    this.nv.addVolume(frame);
    this.toMm = fromColumns(frame.frac2mm);
    this.toFrac = inverse(this.toMm);
    this.extent = AXES.map(({ depth }) => depth).sort().map((axis) => frame.extentsMaxOrtho[axis] - frame.extentsMinOrtho[axis]);
    this.#followDrawing();
    this.observer = new ResizeObserver(() => this.layOut());
    this.observer.observe(this.host);
    this.layOut();
  }

  async #placeholders(structures) {
    const one = { shape: [1, 1, 1] };
    this.#textures.ct = await volumeTexture(this.gl, { ...one, data: new Int16Array([-1024]) });
    this.#textures.map = await volumeTexture(this.gl, { ...one, data: new Uint8Array(1) });
    this.#textures.palette = paletteTexture(this.gl, palette(structures));
  }

  /** Each plane gets the whole cell that the layout gives it, not only the part that its image covers. */
  #fillCells() {
    const { nv } = this;
    const extended = nv.screenFieldOfViewExtendedVox.bind(nv);
    const draw2D = nv.draw2D.bind(nv);
    // on whole pixels: parts of the canvas, times its size, may lose one to rounding
    nv.draw2D = (area, plane, mm) => {
      const pixels = this.#cells.find((one) => one.plane === plane)?.pixels ?? area;
      draw2D([...pixels], plane, mm, pixels.slice(2));
    };
    nv.screenFieldOfViewExtendedVox = (plane = 0) => {
      const field = extended(plane);
      const cell = this.#cells.find((one) => one.plane === plane);
      return cell ? widened(field, cell.width / cell.height) : field;
    };
  }

  #followDrawing() {
    const draw = this.nv.drawScene.bind(this.nv);
    this.nv.drawScene = () => {
      const told = draw();
      this.dispatchEvent(new Event("drawn"));
      return told;
    };
  }

  #use() {
    const { gl, look } = this;
    const { program, uniforms } = this.nv.customSliceShader;
    gl.useProgram(program);
    for (const [name, unit] of Object.entries(UNITS)) {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(name === "palette" ? gl.TEXTURE_2D : gl.TEXTURE_3D, this.#textures[name]);
      gl.uniform1i(uniforms[name], unit);
    }
    gl.activeTexture(gl.TEXTURE0);
    gl.uniformMatrix4fv(uniforms.toCt, true, this.#matrices.ct.flat());
    gl.uniformMatrix4fv(uniforms.toMap, true, this.#matrices.map.flat());
    gl.uniform2f(uniforms.greys, ...look.greys);
    gl.uniform1f(uniforms.cover, look.cover);
    gl.uniform1f(uniforms.line, look.line * (this.nv.uiData.dpr ?? 1));
    gl.uniform1i(uniforms.only, look.only);
  }

  /** Show a level as the CT ("ct") or as the label map ("map"). Resolves to whether it is what is shown now. */
  async show(kind, level) {
    const turn = ++this.#turns[kind];
    const texture = await volumeTexture(this.gl, level);
    if (turn !== this.#turns[kind] || !this.nv) {
      this.gl.deleteTexture(texture);
      return false;
    }
    this.gl.deleteTexture(this.#textures[kind]);
    this.#textures[kind] = texture;
    this.#matrices[kind] = times(level.toIndex, this.toMm);
    this.draw();
    return true;
  }

  get largest() {
    return this.nv.uiData.max3D;
  }

  /** Where the planes cross, in mm. */
  get mm() {
    return applied(this.toMm, this.nv.scene.crosshairPos);
  }

  set mm(place) {
    this.nv.scene.crosshairPos = Float32Array.from(applied(this.toFrac, place));
    this.draw();
  }

  get zoom() {
    return this.nv.scene.pan2Dxyzmm[3];
  }

  get pan() {
    return [...this.nv.scene.pan2Dxyzmm];
  }

  set pan(four) {
    this.nv.scene.pan2Dxyzmm = Float32Array.from(four);
    this.draw();
  }

  /** Magnify by a factor, holding a place (parts of the volume) where it is on the screen. */
  magnify(factor, frac) {
    const [x, y, z, zoom] = this.pan;
    const next = Math.min(20, Math.max(0.5, zoom * factor));
    const at = this.nv.frac2mm(frac);
    this.pan = [x + at[0] * (zoom - next), y + at[1] * (zoom - next), z + at[2] * (zoom - next), next];
  }

  /** Move the picture so that what was at one place is at another. */
  shift(from, to) {
    const [x, y, z, zoom] = this.pan;
    const [a, b] = [this.nv.frac2mm(from), this.nv.frac2mm(to)];
    this.pan = [x + (b[0] - a[0]) * zoom, y + (b[1] - a[1]) * zoom, z + (b[2] - a[2]) * zoom, zoom];
  }

  /** Bring where the planes cross to the middle of each, if the picture is magnified. */
  centre() {
    if (this.zoom <= 1) return;
    const at = this.nv.frac2mm(this.nv.scene.crosshairPos);
    const middle = this.nv.frac2mm([0.5, 0.5, 0.5]);
    this.pan = [0, 1, 2].map((axis) => middle[axis] - at[axis] * this.zoom).concat(this.zoom);
  }

  /** Draw at the next chance; asked often, drawn once. */
  draw() {
    if (this.#asked) return;
    this.#asked = requestAnimationFrame(() => {
      this.#asked = 0;
      if (this.nv) this.nv.drawScene();
    });
  }

  setView(view) {
    this.view = view;
    this.layOut();
  }

  /** Planes side by side in whatever way shows them largest. */
  layOut() {
    if (!this.nv) return;
    const { width, height } = this.host.getBoundingClientRect();
    if (!width || !height) return;
    this.#cells = this.view === "all" ? best(width, height, this.extent) : single(this.view, width, height);
    this.nv.resizeListener();
    const size = [this.canvas.width, this.canvas.height];
    for (const cell of this.#cells) cell.pixels = pixels(cell, size, [width, height]);
    this.nv.setCustomLayout(this.#cells.map((cell) => ({ sliceType: cell.plane, position: parts(cell.pixels, size) })));
    this.draw();
  }

  /** The planes on the screen, in CSS pixels of the host: {axes, left, top, width, height, toFrac, toPixel}. */
  tiles() {
    const ratio = this.nv?.uiData.dpr || 1;
    return (this.nv?.screenSlices ?? []).map((slice, index) => tile(this.nv, slice, index, ratio));
  }

  tileAt(x, y) {
    return this.tiles().find((one) => x >= one.left && y >= one.top && x < one.left + one.width && y < one.top + one.height);
  }

  close() {
    cancelAnimationFrame(this.#asked);
    this.observer?.disconnect();
    this.nv?.cleanup();
    this.nv = null;
    for (const texture of Object.values(this.#textures)) this.gl.deleteTexture(texture);
    this.gl.getExtension("WEBGL_lose_context")?.loseContext(); // or browsers keep its memory for long
    this.canvas.remove();
  }
}

/** A tiny volume that covers the same part of the world as the grid. */
async function frameVolume({ shape, affine }) {
  const scale = shape.map((n) => n / SPLIT);
  const coarse = times(affine, scaling(scale, scale.map((s) => (s - 1) / 2)));
  const size = [0, 1, 2].map((axis) => Math.hypot(coarse[0][axis], coarse[1][axis], coarse[2][axis]));
  const voxels = Uint8Array.from({ length: SPLIT ** 3 }, (_, n) => n);
  const file = NVImage.createNiftiArray([SPLIT, SPLIT, SPLIT], size, coarse.flat(), 2, voxels);
  return NVImage.new(file.buffer, "frame.nii");
}

/** One plane on the screen, and the way between its pixels and parts of the volume. */
function tile(nv, slice, index, ratio) {
  const axes = AXES[slice.axCorSag];
  const [left, top, width, height] = slice.leftTopWidthHeight;
  const near = nv.screenXY2TextureFrac(left + 1, top + 1, index, false);
  const far = nv.screenXY2TextureFrac(left + width - 1, top + height - 1, index, false);
  const across = (n, value, start, size) => start + 1 + ((value - near[n]) / (far[n] - near[n])) * (size - 2);
  const back = (n, pixel, start, size) => near[n] + ((pixel - start - 1) / (size - 2)) * (far[n] - near[n]);
  return {
    axes,
    left: left / ratio,
    top: top / ratio,
    width: width / ratio,
    height: height / ratio,
    toPixel: (frac) => [across(axes.u, frac[axes.u], left, width) / ratio, across(axes.v, frac[axes.v], top, height) / ratio],
    toFrac: (x, y) => {
      const frac = [...nv.scene.crosshairPos];
      frac[axes.u] = back(axes.u, x * ratio, left, width);
      frac[axes.v] = back(axes.v, y * ratio, top, height);
      return frac;
    },
  };
}

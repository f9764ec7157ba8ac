// Mouse, pen, fingers and keys over the planes.
//
// One finger or the left button moves the cross; the wheel goes through the slices, with Ctrl it magnifies; the right
// button sets the window, Shift or the middle button moves the picture; two fingers magnify and move.

const LINE_PIXELS = 40; // of the wheel for one slice, where it tells pixels
const SLOP = 0.5;

/** Listen to a surface over the planes; what is asked for, `viewer` does. Returns the function that ends it. */
export function follow(surface, planes, viewer) {
  const gesture = new Gesture(surface, planes, viewer);
  const stop = new AbortController();
  const options = { signal: stop.signal };
  surface.addEventListener("pointerdown", (event) => gesture.down(event), options);
  surface.addEventListener("pointermove", (event) => gesture.move(event), options);
  for (const end of ["pointerup", "pointercancel"]) surface.addEventListener(end, (event) => gesture.up(event), options);
  surface.addEventListener("wheel", (event) => gesture.wheel(event), { ...options, passive: false });
  surface.addEventListener("contextmenu", (event) => event.preventDefault(), options);
  surface.addEventListener("keydown", (event) => gesture.key(event), options);
  return () => stop.abort();
}

class Gesture {
  #fingers = new Map();
  #mode = null;
  #tile = null;
  #last = null;
  #scrolled = 0;

  constructor(surface, planes, viewer) {
    Object.assign(this, { surface, planes, viewer });
    this.plane = 2; // the axis across the plane that was touched last
  }

  down(event) {
    const at = this.#at(event);
    const tile = this.planes.tileAt(...at);
    if (!tile) return;
    this.surface.focus({ preventScroll: true });
    this.surface.setPointerCapture(event.pointerId);
    this.#fingers.set(event.pointerId, at);
    this.#tile = tile;
    this.plane = tile.axes.depth;
    this.#last = at;
    this.#mode = this.#fingers.size > 1 ? "pinch" : modeOf(event, this.viewer.places.drawing);
    if (this.#mode === "place") this.viewer.place(tile.toFrac(...at), this.planes);
    if (this.#mode === "draw") this.viewer.draft(tile.toFrac(...at), tile.toFrac(...at), tile.axes.depth, this.planes);
    this.start = tile.toFrac(...at);
    event.preventDefault();
  }

  move(event) {
    if (!this.#mode || !this.#fingers.has(event.pointerId)) return;
    const at = this.#at(event);
    if (this.#mode === "pinch") this.#pinch(event.pointerId, at);
    this.#fingers.set(event.pointerId, at);
    const [x, y] = this.#last;
    if (Math.abs(at[0] - x) + Math.abs(at[1] - y) < SLOP) return;
    if (this.#mode === "place") this.viewer.place(this.#tile.toFrac(...at), this.planes);
    if (this.#mode === "draw") this.viewer.draft(this.start, this.#tile.toFrac(...at), this.#tile.axes.depth, this.planes);
    if (this.#mode === "window") this.viewer.adjustWindow(at[0] - x, at[1] - y);
    if (this.#mode === "shift") this.viewer.panes.shift(this.#tile.toFrac(x, y), this.#tile.toFrac(...at), this.planes);
    this.#last = at;
  }

  up(event) {
    if (!this.#fingers.delete(event.pointerId)) return;
    if (this.#mode === "draw") {
      if (event.type === "pointerup") this.viewer.places.release();
      else this.viewer.places.cancel();
    }
    if (!this.#fingers.size) this.#mode = null;
  }

  #pinch(id, at) {
    const other = [...this.#fingers].find(([key]) => key !== id)?.[1];
    const was = this.#fingers.get(id);
    if (!other || !was) return;
    const span = (a, b) => Math.max(10, Math.hypot(a[0] - b[0], a[1] - b[1]));
    const middle = [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2];
    const before = [(was[0] + other[0]) / 2, (was[1] + other[1]) / 2];
    this.viewer.panes.magnify(span(at, other) / span(was, other), this.#tile.toFrac(...middle), this.planes);
    this.viewer.panes.shift(this.#tile.toFrac(...before), this.#tile.toFrac(...middle), this.planes);
  }

  wheel(event) {
    const at = this.#at(event);
    const tile = this.planes.tileAt(...at);
    if (!tile) return;
    event.preventDefault();
    this.plane = tile.axes.depth;
    const amount = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY / LINE_PIXELS : Math.sign(event.deltaY);
    if (event.ctrlKey) return void this.viewer.panes.magnify(1.15 ** -amount, tile.toFrac(...at), this.planes);
    this.#scrolled += Math.abs(event.deltaY) >= 100 ? Math.sign(event.deltaY) : amount; // a wheel's notch is one slice
    const slices = Math.trunc(this.#scrolled);
    this.#scrolled -= slices;
    if (slices) this.viewer.step(tile.axes.depth, -slices);
  }

  key(event) {
    if (event.altKey || event.metaKey) return;
    const act = this.#keyed(event);
    if (!act) return;
    event.preventDefault();
    act();
  }

  #keyed(event) {
    const far = event.shiftKey ? 10 : 1;
    const { places } = this.viewer;
    const tile = this.planes.tiles().find((one) => one.axes.depth === this.plane) ?? this.planes.tiles()[0];
    if (!tile) return null;
    const along = (axis, pixels) => () => this.viewer.step(axis, pixels * this.#growing(tile, axis) * far);
    const zoom = (factor) => () => this.viewer.panes.magnify(factor, [...this.planes.nv.scene.crosshairPos], this.planes);
    return {
      ArrowLeft: along(tile.axes.u, -1),
      ArrowRight: along(tile.axes.u, 1),
      ArrowUp: along(tile.axes.v, -1),
      ArrowDown: along(tile.axes.v, 1),
      PageUp: () => this.viewer.step(tile.axes.depth, far),
      PageDown: () => this.viewer.step(tile.axes.depth, -far),
      "+": zoom(1.25),
      "=": zoom(1.25),
      "-": zoom(0.8),
      0: () => this.viewer.resetView(),
      Enter: places.drawing ? () => places.corner(this.viewer.voxel) : undefined,
      Escape: places.drawing ? () => places.cancel() : undefined,
    }[event.key];
  }

  /** Whether an axis of the world grows to the right or downwards in a plane (1), or shrinks (-1). */
  #growing(tile, axis) {
    const low = tile.toPixel([0, 0, 0]);
    const high = tile.toPixel([1, 1, 1]);
    const side = axis === tile.axes.u ? 0 : 1;
    return Math.sign(high[side] - low[side]);
  }

  #at(event) {
    const { left, top } = this.surface.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }
}

function modeOf(event, drawing) {
  if (event.button === 2) return "window";
  if (event.button === 1 || event.shiftKey) return "shift";
  return drawing ? "draw" : "place";
}

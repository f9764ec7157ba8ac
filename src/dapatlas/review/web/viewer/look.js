// How the volumes look: grey window, colours, what is hidden.

export const WINDOWS = {
  soft: { title: "Soft tissue", level: 40, width: 400 },
  lung: { title: "Lung", level: -600, width: 1500 },
  bone: { title: "Bone", level: 400, width: 1800 },
};
export const FIRST_LOOK = { window: "soft", ...levels("soft"), opacity: 0.45, outline: false, only: null };
const LINE = 1.6; // pixels

/** Level and width of a window that has a name. */
export function levels(name) {
  const { level, width } = WINDOWS[name];
  return { level, width };
}

/** Level and width after dragging: to the right wider, downwards darker. */
export function dragged({ level, width }, dx, dy) {
  const speed = Math.max(0.5, width / 300);
  return { window: null, level: Math.round(level + dy * speed), width: Math.max(10, Math.round(width + dx * speed)) };
}

/** The same in the numbers of the shader; `ids` are the structures' by name. */
export function shaded({ level, width, opacity, outline, only }, ids) {
  return {
    greys: [level - width / 2, width],
    cover: opacity,
    line: outline && opacity > 0 ? LINE : 0,
    only: only === null ? 0 : (ids.get(only) ?? 0),
  };
}

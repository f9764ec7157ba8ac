// The scheme's colours, as the graphics card and NiiVue want them.

/** "#rrggbb" as three numbers from 0 to 255. */
function channels(hex) {
  return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
}

export const UNKNOWN = "#ff00ff"; // what the scheme does not know must be seen

/** RGBA of every number up to the largest, in rows of 256; only 0, the background, is transparent. */
export function palette(structures) {
  const largest = Math.max(0, ...structures.map((structure) => structure.id));
  const rows = Math.floor(largest / 256) + 1;
  const data = new Uint8Array(256 * rows * 4);
  for (let id = 1; id < 256 * rows; id++) data.set([...channels(UNKNOWN), 255], 4 * id);
  for (const { id, color } of structures) if (id) data.set([...channels(color), 255], 4 * id);
  return { data, rows };
}

/** The same for `setColormapLabel`, with only those structures in sight that pass. */
export function labelColours(structures, seen) {
  const largest = Math.max(1, ...structures.map((structure) => structure.id));
  const list = () => new Array(largest + 1).fill(0);
  const map = { R: list(), G: list(), B: list(), A: list(), I: [...Array(largest + 1).keys()] };
  for (const structure of structures) {
    const { id } = structure;
    [map.R[id], map.G[id], map.B[id]] = channels(structure.color);
    map.A[id] = id && seen(structure) ? 255 : 0;
  }
  return map;
}

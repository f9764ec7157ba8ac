// Where each plane is drawn.

export const AXES = [
  { name: "Axial", u: 0, v: 1, depth: 2 },
  { name: "Coronal", u: 0, v: 2, depth: 1 },
  { name: "Sagittal", u: 1, v: 2, depth: 0 },
];
const GAP = 3; // pixels between planes

/** A field of view with the shape of a cell, around the same middle. */
export function widened({ mnMM, mxMM, rotation, fovMM }, aspect) {
  const size = [fovMM[0], fovMM[1]];
  if (size[0] / size[1] < aspect) size[0] = size[1] * aspect;
  else size[1] = size[0] / aspect;
  const [low, high, span] = [mnMM.slice(), mxMM.slice(), fovMM.slice()];
  for (const axis of [0, 1]) {
    const middle = (mnMM[axis] + mxMM[axis]) / 2;
    low[axis] = middle - size[axis] / 2;
    high[axis] = middle + size[axis] / 2;
    span[axis] = size[axis];
  }
  return { mnMM: low, mxMM: high, rotation, fovMM: span };
}

/** The layout of three planes in which they cover most of the screen. */
export function best(width, height, extent) {
  const halves = [0.4, 0.5, 0.6].flatMap((part) => [
    [[0, 0, 0, part, 1], [1, part, 0, 1 - part, 0.5], [2, part, 0.5, 1 - part, 0.5]],
    [[0, 0, 0, 1, part], [1, 0, part, 0.5, 1 - part], [2, 0.5, part, 0.5, 1 - part]],
    [[0, 0, 0, part, 1], [1, part, 0, (1 - part) / 2, 1], [2, (1 + part) / 2, 0, (1 - part) / 2, 1]],
  ]);
  const layouts = halves.map((cells) => cells.map((cell) => placed(cell, width, height)));
  return layouts.reduce((a, b) => (covered(b, extent) > covered(a, extent) ? b : a));
}

function placed([plane, left, top, wide, high], width, height) {
  return {
    plane,
    left: left * width + (left > 0 ? GAP : 0),
    top: top * height + (top > 0 ? GAP : 0),
    width: wide * width - (left > 0 ? GAP : 0),
    height: high * height - (top > 0 ? GAP : 0),
  };
}

/** A cell in whole pixels of the canvas: left, top, width, height. */
export function pixels(cell, [across, down], [width, height]) {
  const edges = (from, span, css, device) => [from, from + span].map((at) => Math.round((at / css) * device));
  const [left, right] = edges(cell.left, cell.width, width, across);
  const [top, bottom] = edges(cell.top, cell.height, height, down);
  return [left, top, right - left, bottom - top];
}

export const parts = ([left, top, wide, high], [across, down]) => [left / across, top / down, wide / across, high / down];

function covered(cells, extent) {
  const scales = cells.map(({ plane, width, height }) => {
    const { u, v } = AXES[plane];
    return Math.min(width / extent[u], height / extent[v]);
  });
  // the axial plane counts twice: it is what is read
  return Math.log(scales[0]) * 2 + Math.log(scales[1]) + Math.log(scales[2]);
}

export function single(view, width, height) {
  const plane = Math.max(0, AXES.findIndex((axes) => axes.name === view));
  return [{ plane, left: 0, top: 0, width, height }];
}

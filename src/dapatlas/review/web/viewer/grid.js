// The voxels of the map, and where they lie in the world: in mm, x to the right, y to the front, z to the head.
import { applied, inverse } from "./matrix.js";

/** The grid of the map at full resolution: places on the page are voxels of this one, whatever is shown. */
export class Grid {
  constructor({ shape, affine }) {
    this.shape = shape;
    this.affine = affine; // voxel to mm
    this.toVoxel = inverse(affine); // mm to voxel, not rounded
  }

  get middle() {
    return this.shape.map((n) => Math.floor(n / 2));
  }

  /** The nearest voxel that there is. */
  inside(voxel) {
    return voxel.map((at, axis) => Math.min(this.shape[axis] - 1, Math.max(0, Math.round(at))));
  }

  /** The voxel nearest to a place in mm. */
  voxelAt(mm) {
    return this.inside(applied(this.toVoxel, mm));
  }

  /** The middle of a voxel, in mm. */
  mmOf(voxel) {
    return applied(this.affine, voxel);
  }

  /** Which axis of the array runs most nearly along an axis of the world. */
  axisAlong(world) {
    return axisAlong(this.affine, world);
  }

  /** The voxel so many voxels farther to the right, front or head (world 0, 1, 2), or against it; it may lie outside. */
  stepped(voxel, world, count) {
    const along = this.axisAlong(world);
    const by = count * Math.sign(this.affine[world][along] || 1);
    return voxel.map((at, axis) => (axis === along ? at + by : at));
  }
}

/** Which axis of the array runs most nearly along an axis of the world (0 left-right, 1 back-front, 2 feet-head). */
export function axisAlong(affine, world) {
  const size = [0, 1, 2].map((axis) => Math.hypot(affine[0][axis], affine[1][axis], affine[2][axis]));
  const unit = [0, 1, 2].map((axis) => [0, 1, 2].map((row) => affine[row][axis] / size[axis]));
  return assigned(unit)[world];
}

/** One array axis for every world axis, the closest pairs first. */
function assigned(unit) {
  const pairs = [0, 1, 2].flatMap((axis) => [0, 1, 2].map((world) => ({ axis, world, by: Math.abs(unit[axis][world]) })));
  pairs.sort((a, b) => b.by - a.by);
  const found = [null, null, null];
  const used = new Set();
  for (const { axis, world } of pairs) {
    if (found[world] !== null || used.has(axis)) continue;
    found[world] = axis;
    used.add(axis);
  }
  return found;
}

/** The box of voxels between two corners, both inside; start and stop, stop exclusive. */
export function boxOf(a, b) {
  return [0, 1, 2].map((axis) => [Math.min(a[axis], b[axis]), Math.max(a[axis], b[axis]) + 1]);
}

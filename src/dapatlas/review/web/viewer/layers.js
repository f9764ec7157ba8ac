// The volumes of a case, in the resolutions that are there: the coarse one first, finer ones when they have come.
import { fetchVolume } from "./nifti.js";
import { applied, inverse } from "./matrix.js";

/** One volume in one resolution. */
export class Level {
  constructor(layer, step, { shape, affine, data }) {
    this.layer = layer; // its name
    this.step = step; // 1 is the volume itself
    this.shape = shape;
    this.affine = affine;
    this.data = data;
    this.toIndex = inverse(affine);
  }

  /** The value at a place in the world, in mm; null outside. */
  at(mm) {
    const index = applied(this.toIndex, mm).map(Math.round);
    if (index.some((at, axis) => at < 0 || at >= this.shape[axis])) return null;
    const [i, j, k] = index;
    return this.data[i + this.shape[0] * (j + this.shape[1] * k)];
  }
}

/** Fetches levels; keeps the finest and the coarsest of each layer. */
export class Layers {
  #layers;
  #stop = new AbortController();
  #coming = new Map();
  #kept = new Map();

  constructor(layers) {
    this.#layers = new Map(layers.map((layer) => [layer.name, layer]));
  }

  /** All label layers: the map, and what it can be compared with. */
  get labels() {
    return [...this.#layers.values()].filter((layer) => layer.kind === "labels");
  }

  get(name) {
    return this.#layers.get(name);
  }

  /** Steps of a layer, coarsest first. */
  steps(name) {
    return this.#layers.get(name).levels.map((level) => level.step);
  }

  shape(name, step) {
    return this.#described(name, step).shape;
  }

  /** The finest level that has come; null before any has. */
  finest(name) {
    return this.#kept.get(name)?.fine ?? null;
  }

  coarsest(name) {
    return this.#kept.get(name)?.coarse ?? null;
  }

  /** One level; asked for twice, it is fetched once. */
  load(name, step) {
    const finest = this.finest(name);
    if (finest?.step === step) return Promise.resolve(finest);
    const key = `${name}/${step}`;
    if (!this.#coming.has(key)) {
      const coming = this.#fetch(name, step).finally(() => this.#coming.delete(key));
      this.#coming.set(key, coming);
    }
    return this.#coming.get(key);
  }

  /** Stop fetching, and let go of what was fetched. */
  close() {
    this.#stop.abort();
    this.#kept.clear();
  }

  async #fetch(name, step) {
    const { kind } = this.#layers.get(name);
    const volume = await fetchVolume(this.#described(name, step).url, this.#stop.signal);
    const level = new Level(name, step, { ...volume, data: (kind === "ct" ? hounsfield : labels)(volume) });
    const kept = this.#kept.get(name);
    if (!this.#stop.signal.aborted) {
      this.#kept.set(name, {
        fine: kept && kept.fine.step <= step ? kept.fine : level,
        coarse: kept && kept.coarse.step >= step ? kept.coarse : level,
      });
    }
    return level;
  }

  #described(name, step) {
    return this.#layers.get(name).levels.find((level) => level.step === step);
  }
}

/** Whole HU in 16 bits, which is what the textures hold. */
function hounsfield({ data, slope, inter }) {
  if (data instanceof Int16Array && slope === 1 && inter === 0) return data;
  const out = new Int16Array(data.length);
  for (let n = 0; n < data.length; n++) {
    const value = data[n] * slope + inter;
    out[n] = value > 32767 ? 32767 : value < -32768 ? -32768 : Math.round(value);
  }
  return out;
}

/** Numbers of structures, unsigned. */
function labels({ data }) {
  if (data instanceof Uint8Array || data instanceof Uint16Array) return data;
  return Uint16Array.from(data);
}

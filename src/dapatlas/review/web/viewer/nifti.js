// NIfTI-1 files, as far as the server hands them out: gzipped, little-endian, three axes.

const HEADER = 348;
const TYPES = {
  2: Uint8Array,
  4: Int16Array,
  8: Int32Array,
  16: Float32Array,
  256: Int8Array,
  512: Uint16Array,
};

/**
 * Fetch and unpack a volume.
 *
 * Returns {shape, affine (nested rows), data (typed array, first axis fastest), slope, inter}.
 */
export async function fetchVolume(url, signal) {
  const answer = await fetch(url, { signal, credentials: "same-origin" });
  if (!answer.ok) throw new Error(await reason(answer));
  return readVolume(answer.body);
}

async function reason(answer) {
  try {
    return (await answer.json()).detail;
  } catch {
    return `The server answered ${answer.status} when asked for a volume.`;
  }
}

/** Unpack a gzipped stream right into one buffer of the size that its header tells. */
async function readVolume(stream) {
  const reader = stream.pipeThrough(new DecompressionStream("gzip")).getReader();
  let head = new Uint8Array(0);
  while (head.length < HEADER) {
    const { value, done } = await reader.read();
    if (done) throw new Error("This file ends before its header does.");
    head = joined(head, value);
  }
  const header = readHeader(new DataView(head.buffer, head.byteOffset, head.byteLength));
  const bytes = new Uint8Array(header.count * header.type.BYTES_PER_ELEMENT);
  let at = -header.offset;
  for (let chunk = head; chunk; chunk = (await reader.read()).value) {
    const from = Math.max(0, -at);
    if (from < chunk.length) bytes.set(chunk.subarray(from, bytes.length - at), at + from);
    at += chunk.length;
  }
  if (at < bytes.length) throw new Error("This file ends before its voxels do.");
  const { shape, affine, slope, inter } = header;
  return { shape, affine, slope, inter, data: new header.type(bytes.buffer) };
}

function joined(a, b) {
  const both = new Uint8Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function readHeader(view) {
  if (view.getInt32(0, true) !== HEADER) throw new Error("This is no little-endian NIfTI-1 file.");
  const type = TYPES[view.getInt16(70, true)];
  if (!type) throw new Error(`Voxels of NIfTI type ${view.getInt16(70, true)} cannot be shown.`);
  const shape = [1, 2, 3].map((axis) => Math.max(1, view.getInt16(40 + 2 * axis, true)));
  const slope = view.getFloat32(112, true);
  const scaled = slope !== 0 && Number.isFinite(slope);
  return {
    shape,
    type,
    affine: affineOf(view),
    offset: view.getFloat32(108, true),
    count: shape[0] * shape[1] * shape[2],
    slope: scaled ? slope : 1,
    inter: scaled ? view.getFloat32(116, true) : 0,
  };
}

/** The affine of the form with the larger code; of two equal ones the sform. */
function affineOf(view) {
  const [qform, sform] = [view.getInt16(252, true), view.getInt16(254, true)];
  if (sform > 0 && sform >= qform) {
    const row = (at) => [0, 4, 8, 12].map((more) => view.getFloat32(at + more, true));
    return [row(280), row(296), row(312), [0, 0, 0, 1]];
  }
  return fromQuaternion(view);
}

function fromQuaternion(view) {
  const size = [1, 2, 3].map((axis) => view.getFloat32(76 + 4 * axis, true));
  if (view.getFloat32(76, true) < 0) size[2] = -size[2];
  const [b, c, d, x, y, z] = [0, 1, 2, 3, 4, 5].map((n) => view.getFloat32(256 + 4 * n, true));
  const a = Math.sqrt(Math.max(0, 1 - b * b - c * c - d * d));
  const turn = [
    [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
    [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
    [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
  ];
  const shift = [x, y, z];
  return [...turn.map((row, r) => [...row.map((value, axis) => value * size[axis]), shift[r]]), [0, 0, 0, 1]];
}

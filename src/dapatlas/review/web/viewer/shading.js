// How a plane is painted: grey HU, and over it the structures' colours, filled or as outlines. NiiVue lays out the
// planes; the voxels are held in textures of their own types, so that window, opacity, outline, and what is hidden
// are mere numbers: changing one costs a redraw, whatever the size of the volume.

export const UNITS = { ct: 12, map: 13, palette: 14 }; // NiiVue uses the units up to 10

export const FRAGMENT = `#version 300 es
precision highp int;
precision highp float;
uniform highp isampler3D ct;
uniform highp usampler3D map;
uniform highp sampler2D palette;
uniform mat4 toCt;
uniform mat4 toMap;
uniform vec2 greys;
uniform float cover;
uniform float line;
uniform int only;
in vec3 texPos;
out vec4 color;

float hu(ivec3 at) {
  ivec3 size = textureSize(ct, 0);
  return float(texelFetch(ct, clamp(at, ivec3(0), size - 1), 0).r);
}

float smoothHu(vec3 at) {
  ivec3 low = ivec3(floor(at));
  vec3 part = at - vec3(low);
  vec4 near = vec4(hu(low), hu(low + ivec3(1, 0, 0)), hu(low + ivec3(0, 1, 0)), hu(low + ivec3(1, 1, 0)));
  if (part.z > 0.001) {
    low.z += 1;
    vec4 far = vec4(hu(low), hu(low + ivec3(1, 0, 0)), hu(low + ivec3(0, 1, 0)), hu(low + ivec3(1, 1, 0)));
    near = mix(near, far, part.z);
  }
  vec2 row = mix(near.xz, near.yw, part.x);
  return mix(row.x, row.y, part.y);
}

int label(vec3 frac) {
  ivec3 at = ivec3(floor((toMap * vec4(frac, 1.0)).xyz + 0.5));
  if (any(lessThan(at, ivec3(0))) || any(greaterThanEqual(at, textureSize(map, 0)))) return 0;
  int id = int(texelFetch(map, at, 0).r);
  return (only > 0 && id != only) ? 0 : id;
}

vec4 paint(int id) {
  ivec2 at = ivec2(id % 256, id / 256);
  return at.y < textureSize(palette, 0).y ? texelFetch(palette, at, 0) : vec4(1.0, 0.0, 1.0, 1.0);
}

void main() {
  float grey = clamp((smoothHu((toCt * vec4(texPos, 1.0)).xyz) - greys.x) / greys.y, 0.0, 1.0);
  color = vec4(vec3(grey), 1.0);
  vec3 right = dFdx(texPos) * line;
  vec3 up = dFdy(texPos) * line;
  int id = label(texPos);
  if (id == 0) return;
  float alpha = cover;
  if (line > 0.0) {
    bool edge = label(texPos + right) != id || label(texPos - right) != id
      || label(texPos + up) != id || label(texPos - up) != id;
    alpha = edge ? 1.0 : 0.0;
  }
  vec4 paint = paint(id);
  color.rgb = mix(color.rgb, paint.rgb, alpha * paint.a);
}`;

const FORMATS = new Map([
  [Int16Array, (gl) => [gl.R16I, gl.RED_INTEGER, gl.SHORT]],
  [Uint8Array, (gl) => [gl.R8UI, gl.RED_INTEGER, gl.UNSIGNED_BYTE]],
  [Uint16Array, (gl) => [gl.R16UI, gl.RED_INTEGER, gl.UNSIGNED_SHORT]],
]);
const SLAB_BYTES = 24e6; // sent to the card at a time; between two slabs the page can answer

/** A texture of a volume's voxels, sent piece by piece. Throws where the card has no room for it. */
export async function volumeTexture(gl, { shape, data }) {
  const [inner, format, type] = FORMATS.get(data.constructor)(gl);
  const [width, height, depth] = shape;
  while (gl.getError() !== gl.NO_ERROR); // what others left behind
  const texture = newTexture(gl, gl.TEXTURE_3D, UNITS.ct);
  gl.texStorage3D(gl.TEXTURE_3D, 1, inner, width, height, depth);
  const area = width * height;
  const step = Math.max(1, Math.floor(SLAB_BYTES / (area * data.BYTES_PER_ELEMENT)));
  for (let k = 0; k < depth; k += step) {
    if (k) await new Promise((done) => setTimeout(done, 0));
    const slices = Math.min(step, depth - k);
    gl.activeTexture(gl.TEXTURE0 + UNITS.ct);
    gl.bindTexture(gl.TEXTURE_3D, texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    const part = data.subarray(k * area, (k + slices) * area);
    gl.texSubImage3D(gl.TEXTURE_3D, 0, 0, 0, k, width, height, slices, format, type, part);
  }
  if (gl.getError() === gl.NO_ERROR) return texture;
  gl.deleteTexture(texture);
  throw new Error("The graphics card has no room for this volume.");
}

export function paletteTexture(gl, { data, rows }) {
  const texture = newTexture(gl, gl.TEXTURE_2D, UNITS.palette);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, rows, 0, gl.RGBA, gl.UNSIGNED_BYTE, data);
  return texture;
}

function newTexture(gl, target, unit) {
  const texture = gl.createTexture();
  gl.activeTexture(gl.TEXTURE0 + unit);
  gl.bindTexture(target, texture);
  for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T, gl.TEXTURE_WRAP_R]) gl.texParameteri(target, side, gl.CLAMP_TO_EDGE);
  gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  return texture;
}

// What this device can show.

const FULL_BYTES = 700e6; // of textures, where the device does not say that it has little memory
const SMALL_BYTES = 300e6;

/** Why nothing can be shown; `remedy` says what to do. */
class NoGraphics extends Error {
  constructor(message, remedy) {
    super(message);
    this.remedy = remedy;
  }
}

/** Throws `NoGraphics` where planes cannot be drawn at all. */
export function checkGraphics() {
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl) {
    throw new NoGraphics(
      "This browser shows no volumes: WebGL 2 is missing.",
      "Use a current Chrome, Edge, Firefox or Safari with hardware acceleration switched on (Settings, System), or another computer. Findings, structures and the verdict work here all the same.",
    );
  }
  gl.getExtension("WEBGL_lose_context")?.loseContext();
}

/** How many bytes of voxels may lie on the graphics card, as far as one can tell. */
export function budget() {
  const memory = navigator.deviceMemory ?? 8; // in GiB, where the browser says it
  return memory >= 8 ? FULL_BYTES : SMALL_BYTES;
}

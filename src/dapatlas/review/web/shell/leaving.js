// What is not saved yet must be saved, or at least be known, before one leaves.

const guards = new Set();

/** `guard` is {unsaved: () => bool, flush: () => Promise}. Returns the function that takes it back. */
export function guardLeaving(guard) {
  guards.add(guard);
  return () => guards.delete(guard);
}

/** Save what is not saved; whether all of it could be, within this time. */
export async function leaveSafely(milliseconds = 3000) {
  const open = [...guards].filter((guard) => guard.unsaved());
  const saved = Promise.allSettled(open.map((guard) => guard.flush()));
  await Promise.race([saved, new Promise((done) => setTimeout(done, milliseconds))]);
  return ![...guards].some((guard) => guard.unsaved());
}

window.addEventListener("beforeunload", (event) => {
  if (![...guards].some((guard) => guard.unsaved())) return;
  for (const guard of guards) guard.flush();
  event.preventDefault();
});

// What a reader edits: a decision, a text, marks. Plain values, never changed in place.
import { DECISIONS, MARK_KINDS } from "../shell/words.js";

const EMPTY = Object.freeze({ decision: null, remarks: "", marks: Object.freeze([]) });

/** The content of a verdict or a revision; empty where there is none. */
export function contentOf(verdict) {
  if (!verdict) return EMPTY;
  return { decision: verdict.decision ?? null, remarks: verdict.remarks ?? "", marks: (verdict.marks ?? []).map(markOf) };
}

function markOf({ structure, kind, note = "", point = null, box = null }) {
  return { structure, kind, note, point, box };
}

export const same = (one, other) => JSON.stringify(contentOf(one)) === JSON.stringify(contentOf(other));
export const isEmpty = (content) => same(content, EMPTY);

/** Put the marks of two contents together: everything of the first, and what only the second has. */
export function joinedMarks(first, second) {
  const known = new Set(first.map((mark) => JSON.stringify(markOf(mark))));
  return [...first, ...second.map(markOf).filter((mark) => !known.has(JSON.stringify(mark)))];
}

/** What differs, in words; `title` turns the name of a structure into what people call it. */
export function differences(mine, theirs, title) {
  const told = [];
  if (mine.decision !== theirs.decision) told.push(`Decision: yours is ${decided(mine)}, theirs is ${decided(theirs)}.`);
  if (mine.remarks !== theirs.remarks) told.push(`Remarks: yours ${quoted(mine.remarks)}, theirs ${quoted(theirs.remarks)}.`);
  const only = (these, those) => these.filter((mark) => !those.some((other) => JSON.stringify(other) === JSON.stringify(mark)));
  for (const mark of only(mine.marks, theirs.marks)) told.push(`Only you mark: ${markWords(mark, title)}.`);
  for (const mark of only(theirs.marks, mine.marks)) told.push(`Only they mark: ${markWords(mark, title)}.`);
  return told.length ? told : ["The marks stand in another order."];
}

function decided({ decision }) {
  return decision ? `“${DECISIONS[decision][0]}”` : "still open";
}

function quoted(text) {
  if (!text) return "are empty";
  return `say “${text.length > 120 ? `${text.slice(0, 120)} …` : text}”`;
}

function markWords(mark, title) {
  const note = mark.note ? ` (${mark.note.length > 80 ? `${mark.note.slice(0, 80)} …` : mark.note})` : "";
  return `${title(mark.structure)}, ${MARK_KINDS[mark.kind]?.toLowerCase() ?? mark.kind}${note}`;
}

/** The middle of where a mark is, in voxels; none where it has no place. */
export function placeOf({ point, box }) {
  if (point) return point;
  return box ? box.map(([start, stop]) => Math.floor((start + stop - 1) / 2)) : null;
}

// Finding a structure by a few of its letters.

/** The items whose words hold all parts of the query, best first. `text` gives an item's words. */
export function ranked(query, items, text) {
  const parts = words(query);
  if (!parts.length) return [...items];
  const scored = items.map((item, at) => ({ item, at, score: scoreOf(parts, words(text(item))) }));
  return scored
    .filter((one) => one.score > 0)
    .sort((a, b) => b.score - a.score || a.at - b.at)
    .map((one) => one.item);
}

const words = (text) => text.toLowerCase().split(/[^\p{L}\p{N}]+/u).filter(Boolean);

/** Every part must be somewhere; where several are, words that are used up count for less. */
function scoreOf(parts, found) {
  let total = 0;
  const free = [...found];
  for (const part of parts) {
    const scores = free.map((word) => likeness(part, word));
    const best = Math.max(0, ...scores);
    if (!best) return 0;
    free.splice(scores.indexOf(best), 1);
    total += best;
  }
  return total / (1 + 0.05 * free.length); // of two that fit the one with fewer words left over
}

/** How well letters stand for a word: whole, beginning, inside, scattered in order. */
function likeness(part, word) {
  if (word === part) return 10;
  if (word.startsWith(part)) return 7;
  if (word.includes(part)) return 4;
  if (part.length < 3) return 0;
  let at = -1;
  for (const letter of part) {
    at = word.indexOf(letter, at + 1);
    if (at < 0) return 0;
  }
  return word[0] === part[0] ? 2 : 1;
}

// Cases: what is under a line is made when it is opened.
function openCase(number) {
  const line = find(`#case-${number}`);
  line.hidden = false;
  line.open = true;
  line.scrollIntoView({ block: "start" });
  find("summary", line).focus({ preventScroll: true });
}

function casePage(number) {
  const notes = read(`case-data-${number}`);
  const parts = [];
  if (notes.failed) parts.push(make("p", { class: "note" }, notes.failed));
  else parts.push(...caseFindings(number), ...caseStructures(number));
  parts.push(...caseCompared(notes), ...caseOverlaps(notes), ...caseChanges(number, notes), ...caseNotes(notes));
  for (const [caption, source] of notes.pictures) {
    parts.push(make("figure", {}, make("img", { src: source, alt: caption }), make("figcaption", {}, caption)));
  }
  return make("div", { class: "under" }, ...parts);
}

function caseFindings(number) {
  const own = store.findings.map((_, place) => place).filter((place) => store.findings[place][CASE] === number);
  const told = own.filter((place) => store.findings[place][SEVERITY] < 2);
  const remarks = own.filter((place) => store.findings[place][SEVERITY] === 2);
  const line = (place) => make("li", {}, badge(store.findings[place][SEVERITY]), findingDetails(place));
  const parts = [make("h3", {}, told.length ? plural(told.length, "finding") : "No error, no warning")];
  if (told.length) parts.push(make("ul", { class: "told" }, ...told.map(line)));
  if (remarks.length) {
    parts.push(make("details", {}, make("summary", {}, `For the record: ${plural(remarks.length, "remark")}`),
      make("ul", { class: "told" }, ...remarks.map(line))));
  }
  return parts;
}

function caseStructures(number) {
  const group = GROUPS.indexOf(store.cases[number][GROUP]);
  const seen = store.structures.map((_, place) => place).filter((place) => store.ml[place][number] > 0);
  if (!seen.length) return [];
  const lines = seen.map((place) => {
    const z = store.whole[place][number] === "1" ? deviation(place, number) : null;
    const cells = [rounded(store.ml[place][number]), rounded(store.structures[place][MEDIANS][group][0]),
      z === null ? "–" : z.toFixed(1).replace("-", "−"), store.whole[place][number] === "1" ? "whole" : "cut off"];
    if (store.hu.length) cells.push(store.hu[place][number] === null ? "–" : String(store.hu[place][number]).replace("-", "−"));
    return make("tr", {}, make("th", { scope: "row" }, ...named(place)),
      ...cells.map((words) => make("td", { class: "n" }, words)));
  });
  const heads = [["structure"], ["ml", 1], ["cohort's median", 1], ["robust sd", 1], ["in view", 1]];
  if (store.hu.length) heads.push(["median HU", 1]);
  return [make("details", {}, make("summary", {}, `${plural(seen.length, "structure")} beside the cohort`),
    scrolling("Structures of this case", table("Structures of this case", heads, lines)))];
}

const numbers = (...values) => values.map((value) => make("td", { class: "n" }, rounded(value)));
const diceCell = (dice) =>
  make("td", { class: `n heat h${Math.min(7, Math.floor(dice * 8))}` }, dice.toFixed(3));
const head = (name) => make("th", { scope: "row" }, ...(places.has(name) ? named(places.get(name)) : [name]));

function caseCompared(notes) {
  if (!notes.compared.length) return [];
  const lines = notes.compared.map(([name, dice, there, here]) =>
    make("tr", {}, head(name), diceCell(dice), ...numbers(there, here)));
  const title = `Against the other data set: the ${lines.length} structures that differ most`;
  const heads = [["structure"], ["Dice", 1], ["there, ml", 1], ["here, ml", 1]];
  return [make("details", {}, make("summary", {}, title), scrolling(title, table(title, heads, lines)))];
}

function caseOverlaps(notes) {
  if (!notes.overlaps.length) return [];
  const lines = notes.overlaps.map(([name, one, other, dice, oneMl, otherMl]) =>
    make("tr", {}, head(name), make("td", {}, `${one} and ${other}`), diceCell(dice), ...numbers(oneMl, otherMl)));
  const heads = [["structure"], ["experts"], ["Dice", 1], ["the one, ml", 1], ["the other, ml", 1]];
  const title = `Where experts agree least: ${lines.length} of ${notes.overlapped}`;
  return [make("details", {}, make("summary", {}, title), scrolling(title, table(title, heads, lines)))];
}

function caseChanges(number, notes) {
  if (!notes.changes.length) return [];
  const lines = notes.changes.map(([was, became, voxels, code]) => make("tr", {},
    head(was), make("td", {}, called(became)), make("td", { class: "n" }, String(voxels)), make("td", {}, make("code", {}, code))));
  const title = `What the guidelines changed: ${lines.length} of ${notes.changed}`;
  const picture = find(`img[data-refined="${number}"]`);
  return [make("details", {}, make("summary", {}, title),
    picture ? make("img", { src: picture.src, alt: picture.alt }) : null,
    scrolling(title, table(title, [["was"], ["became"], ["voxels", 1], ["why"]], lines)))];
}

function caseNotes(notes) {
  if (!notes.notes.length) return [];
  const lines = notes.notes.map(([severity, code, message]) =>
    make("li", {}, make("span", { class: `badge ${severity}` }, SPOKEN[severity]), make("span", {}, message, make("code", {}, code))));
  const title = `What else the build said: ${lines.length} of ${notes.noted}`;
  return [make("details", {}, make("summary", {}, title), make("ul", { class: "told" }, ...lines))];
}

function startCases() {
  const search = find("#by-case"), lines = all("details.case");
  for (const line of lines) {
    line.addEventListener("toggle", () => {
      if (line.open && line.children.length === 1) line.append(casePage(Number(line.dataset.case)));
    });
  }
  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const line of lines) {
      const subject = store.cases[line.dataset.case][SUBJECT];
      const text = `${subject} ${find("summary", line).textContent}`.toLowerCase();
      const tokens = text.split(/[^\p{L}\p{N}_]+/u);
      // "male" is no part of "female": sexes are matched as words
      line.hidden = !words.every((word) => (word === "male" ? tokens.includes(word) : text.includes(word)));
      shown += !line.hidden;
    }
    find("#cases-shown").textContent = plural(shown, "case");
  };
  search.addEventListener("input", apply);
  apply();
}

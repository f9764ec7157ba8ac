// What the page knows, and small helpers. Only text is ever put into the page, no markup.
const SEVERITIES = ["error", "warning", "info"];
const SPOKEN = { error: "error", warning: "warning", info: "remark" };
const SEXES = { F: "female", M: "male", unknown: "sex unknown" };
const GROUPS = ["F", "M", "unknown"];
const [ID, SUBJECT, GROUP, AGE, FAILED] = [0, 1, 2, 3, 4];
const [CASE, SEVERITY, CODE, STRUCTURE, MESSAGE, EXPECTED, FOUND, REMEDY, BOX, HOLDER] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const [NAME, DISPLAY, COLOUR, MEDIANS] = [0, 1, 2, 3];
const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const read = (name) => JSON.parse(document.getElementById(name).textContent);
const store = read("cohort-data");
// each picture is in the page once, with the first finding that shows it
const pictures = new Map(
  all("tr[data-finding] img").map((image) => [Number(image.closest("tr").dataset.finding), image.src]),
);

// Make an element: make("td", { class: "n" }, "text", node, …)
function make(tag, attributes = {}, ...content) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...content.filter((each) => each !== null && each !== undefined && each !== ""));
  return element;
}

function breakable(identifier) {
  const parts = identifier.split("_");
  return parts.flatMap((part, place) => (place < parts.length - 1 ? [`${part}_`, make("wbr")] : [part]));
}

function caseLink(number) {
  if (number < 0) return "all cases";
  return make("a", { href: `#case-${number}` }, ...breakable(store.cases[number][ID]));
}

function named(structure) {
  if (structure < 0) return [];
  const [, display, colour] = store.structures[structure];
  const swatch = make("i", { class: "swatch" });
  swatch.style.background = colour;
  return colour ? [swatch, display] : [display];
}

const places = new Map(store.structures.map((structure, place) => [structure[NAME], place]));
const called = (name) => (places.has(name) ? store.structures[places.get(name)][DISPLAY] : name);

function rounded(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const digits = Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return value.toFixed(digits).replace(/\B(?=(\d{3})+(?!\d)(?<!\.\d*))/g, "\u2009");
}

const plural = (number, noun) => `${number.toString().replace(/\B(?=(\d{3})+(?!\d))/g, "\u2009")} ${noun}${number === 1 ? "" : "s"}`;

function table(caption, heads, rows) {
  const cells = heads.map(([words, numeric]) => make("th", { scope: "col", class: numeric ? "n" : null }, words));
  return make("table", {}, make("caption", { class: "unseen" }, caption),
    make("thead", {}, make("tr", {}, ...cells)), make("tbody", {}, ...rows));
}

function scrolling(label, ...content) {
  return make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, ...content);
}

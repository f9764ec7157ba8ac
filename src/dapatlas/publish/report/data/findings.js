// The table of findings: filters, rows made when they are first shown, a page at a time.
const PAGE = 100;
const rows = new Map(all("tr[data-finding]").map((row) => [Number(row.dataset.finding), row]));
const lowered = [];  // text of each finding, made on the first search

function findingDetails(number) {
  const one = store.findings[number];
  const details = make("details", {},
    make("summary", {}, one[MESSAGE], make("code", {}, store.words[one[CODE]])));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(...findingBody(number));
  });
  return details;
}

function findingBody(number) {
  const one = store.findings[number];
  const facts = [
    ["found", one[FOUND]], ["expected", store.words[one[EXPECTED]]], ["what to do", store.words[one[REMEDY]]],
    ["voxels i, j, k", one[BOX] ? one[BOX].map(([start, stop]) => `${start}–${stop - 1}`).join(", ") : ""],
  ];
  const list = make("dl", {},
    ...facts.filter(([, words]) => words).flatMap(([name, words]) => [make("dt", {}, name), make("dd", {}, words)]));
  return [findingPicture(number), list].filter(Boolean);
}

function findingPicture(number) {
  const one = store.findings[number];
  if (!pictures.has(one[HOLDER])) return null;
  const alt = `Axial, coronal and sagittal plane: ${one[MESSAGE]}`;
  return make("img", { src: pictures.get(one[HOLDER]), width: 672, height: 220, alt });
}

function badge(severity) {
  return make("span", { class: `badge ${SEVERITIES[severity]}` }, SPOKEN[SEVERITIES[severity]]);
}

function findingRow(number) {
  if (!rows.has(number)) {
    const one = store.findings[number];
    rows.set(number, make("tr", { "data-finding": number },
      make("td", {}, badge(one[SEVERITY])), make("td", {}, caseLink(one[CASE])),
      make("td", {}, ...named(one[STRUCTURE])), make("td", {}, findingDetails(number))));
  }
  return rows.get(number);
}

function textOf(number) {
  const one = store.findings[number];
  lowered[number] ??= [
    one[CASE] < 0 ? "" : store.cases[one[CASE]].slice(0, 2).join(" "), store.words[one[CODE]], one[MESSAGE],
    one[STRUCTURE] < 0 ? "" : store.structures[one[STRUCTURE]].slice(0, 2).join(" "),
  ].join(" ").toLowerCase();
  return lowered[number];
}

function startFindings() {
  const form = find(".filters");
  if (!form) return;
  for (const [number, row] of rows) {
    const picture = find("img", row) ? null : findingPicture(number);
    if (picture) find("summary", row).after(picture);
  }
  const [code, structure, text] = ["#by-code", "#by-structure", "#by-text"].map((id) => find(id));
  const body = find("#found tbody"), more = find("#more");
  let matching = [], shown = 0;

  const showMore = () => {
    body.append(...matching.slice(shown, shown + PAGE).map(findingRow));
    shown = Math.min(matching.length, shown + PAGE);
    more.hidden = shown === matching.length;
    more.textContent = `Show ${Math.min(PAGE, matching.length - shown)} more`;
    find("#shown").textContent = `${plural(matching.length, "finding")} of ${store.findings.length}`;
  };
  const apply = () => {
    const severities = new Set(all("[name=severity]:checked", form).map((box) => Number(box.value)));
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = structure.value === "" ? null : places.get(structure.value);
    matching = store.findings.map((_, number) => number).filter((number) => {
      const one = store.findings[number];
      return severities.has(one[SEVERITY]) && (code.value === "" || store.words[one[CODE]] === code.value)
        && (wanted === null || one[STRUCTURE] === wanted) && words.every((word) => textOf(number).includes(word));
    });
    shown = 0;
    body.replaceChildren();
    showMore();
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  more.addEventListener("click", () => {
    const first = shown;
    showMore();
    find("summary", findingRow(matching[first])).focus();
  });
  for (const link of all("a[data-structure], a[data-code]")) {
    link.addEventListener("click", () => {
      form.reset();
      structure.value = link.dataset.structure ?? "";
      code.value = link.dataset.code ?? "";
      setTimeout(apply);
    });
  }
  apply();
}

// Rows of dots: pointer and arrow keys tell the case under them, a click or Enter opens it.
const REACH = 3;
const byCase = new Map();
for (const one of store.findings) {
  if (one[CASE] >= 0 && store.words[one[CODE]].startsWith("volume-")) {
    const key = `${one[CASE]} ${one[STRUCTURE]}`;
    if (!byCase.has(key)) byCase.set(key, one[MESSAGE]);
  }
}

function ratioOf(structure, number) {
  const group = GROUPS.indexOf(store.cases[number][GROUP]);
  const median = store.structures[structure][MEDIANS][group][0];
  return median ? store.ml[structure][number] / median : 1;
}

function deviation(structure, number) {
  const sd = store.structures[structure][MEDIANS][GROUPS.indexOf(store.cases[number][GROUP])][1];
  return sd ? Math.log(ratioOf(structure, number)) / sd : null;
}

const placeOf = (structure, number) =>
  0.01 + 0.98 * (Math.min(Math.max(Math.log2(ratioOf(structure, number)), -REACH), REACH) + REACH) / (2 * REACH);

function toldOf(structure, number) {
  const words = [`${store.cases[number][ID]}: ${rounded(store.ml[structure][number])} ml, ${rounded(ratioOf(structure, number))} × the median`];
  const z = deviation(structure, number);
  if (store.whole[structure][number] === "0") words.push("reaches the edge of the view");
  else if (z !== null) words.push(`${Math.abs(z).toFixed(1)} robust sd ${z < 0 ? "below" : "above"}`);
  const said = byCase.get(`${number} ${structure}`);
  if (said) words.push(said);
  return words.join("; ");
}

function startRow(row) {
  const structure = Number(row.dataset.structure), plot = find(".plot", row), tip = find("#tip");
  const order = store.cases.map((_, number) => number)
    .filter((number) => store.ml[structure][number] > 0)
    .sort((a, b) => ratioOf(structure, a) - ratioOf(structure, b));
  if (!order.length) return;
  const mark = make("u", { class: "mark", hidden: true });
  plot.append(mark);
  for (const ring of all(".ring", plot)) ring.removeAttribute("title");  // the tip says more
  let at = Math.floor(order.length / 2);
  const set = (place) => {
    at = Math.min(Math.max(place, 0), order.length - 1);
    plot.setAttribute("aria-valuenow", at + 1);
    plot.setAttribute("aria-valuetext", toldOf(structure, order[at]));
  };
  const show = () => {
    const box = plot.getBoundingClientRect(), x = placeOf(structure, order[at]);
    mark.hidden = tip.hidden = false;
    mark.style.left = `${100 * x}%`;
    tip.textContent = toldOf(structure, order[at]);
    tip.style.left = `${Math.min(Math.max(8, box.left + x * box.width - tip.offsetWidth / 2), innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${box.top - tip.offsetHeight - 6 > 0 ? box.top - tip.offsetHeight - 6 : box.bottom + 6}px`;
  };
  const hide = () => { mark.hidden = tip.hidden = true; };
  for (const [name, value] of Object.entries({
    role: "slider", tabindex: 0, "aria-valuemin": 1, "aria-valuemax": order.length,
    "aria-label": `${store.structures[structure][DISPLAY]}, cases from smallest to largest`,
  })) plot.setAttribute(name, value);
  set(at);
  plot.addEventListener("pointermove", (event) => {
    const box = plot.getBoundingClientRect(), x = (event.clientX - box.left) / box.width;
    const near = order.map((number) => Math.abs(placeOf(structure, number) - x));
    set(near.indexOf(Math.min(...near)));
    show();
  });
  plot.addEventListener("pointerleave", hide);
  plot.addEventListener("focus", show);
  plot.addEventListener("blur", hide);
  plot.addEventListener("click", () => openCase(order[at]));
  plot.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1,
      Home: 0, End: order.length - 1, PageUp: at + 10, PageDown: at - 10 };
    if (event.key === "Enter") { event.preventDefault(); openCase(order[at]); }  // else Enter would fold the case again
    else if (event.key === "Escape") hide();
    else if (event.key in steps) { event.preventDefault(); set(steps[event.key]); show(); }
  });
}

function startCohort() {
  const search = find("#by-row"), odd = find("#odd-only"), strips = all(".strips tbody tr");
  if (!search) return;
  const watcher = new IntersectionObserver((seen) => {
    for (const { isIntersecting, target } of seen) {
      if (isIntersecting) { watcher.unobserve(target); startRow(target); }
    }
  }, { rootMargin: "200px" });
  strips.forEach((row) => watcher.observe(row));
  const apply = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const row of strips) {
      const text = store.structures[row.dataset.structure].slice(0, 2).join(" ").toLowerCase();
      row.hidden = !words.every((word) => text.includes(word)) || (odd.checked && !find(".ring", row));
    }
    for (const block of all(".region")) block.hidden = !find("tbody tr:not([hidden])", block);
  };
  search.addEventListener("input", apply);
  odd.addEventListener("input", apply);
}

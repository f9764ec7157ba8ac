// Sort a table by a click on a heading, and show only the rows that hold what was typed.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const value = (row, column) => row.cells[column].dataset.v ?? row.cells[column].textContent;
  const sortBy = (column) => {
    const numeric = heads[column].dataset.sort === "n";
    const up = heads[column].getAttribute("aria-sort") === (numeric ? "descending" : "none");
    for (const head of heads) if (head.dataset.sort) head.setAttribute("aria-sort", "none");
    heads[column].setAttribute("aria-sort", up ? "ascending" : "descending");
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      if (x === "" || y === "") return (x === "") - (y === "");  // what was not measured stays below
      const order = numeric ? x - y : x.localeCompare(y, "en", { numeric: true });
      return up ? order : -order;
    });
    body.append(...rows);
  };
  heads.forEach((head, column) => {
    if (!head.dataset.sort) return;
    head.tabIndex = 0;
    head.addEventListener("click", () => sortBy(column));
    head.addEventListener("keydown", (event) => { if (event.key === "Enter") sortBy(column); });
  });
}
const filter = document.querySelector("#filter");
filter.addEventListener("input", () => {
  const words = filter.value.toLowerCase().split(/\s+/);
  for (const row of document.querySelector("#table-of-structures").tBodies[0].rows) {
    const text = `${row.dataset.structure} ${row.textContent}`.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
});

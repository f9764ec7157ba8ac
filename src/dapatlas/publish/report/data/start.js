for (const hidden of all(".needs-script")) hidden.classList.remove("needs-script");
startFindings();
startCohort();
startCases();
const follow = () => {
  const found = location.hash.match(/^#case-(\d+)$/);
  if (found && store.cases[found[1]]) openCase(Number(found[1]));
};
addEventListener("hashchange", follow);
// a second click on the same link changes no hash
document.addEventListener("click", (event) => { if (event.target.closest('a[href^="#case-"]')) setTimeout(follow); });
follow();
addEventListener("beforeprint", () => all("details.region").forEach((block) => { block.open = true; }));

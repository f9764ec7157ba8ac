// What checks and the build have found about a case; each leads to its place.
import { html, icon, nothing, render } from "../shell/html.js";
import { titled } from "../shell/words.js";

const SEVERITIES = {
  error: ["Error", "cross"],
  warning: ["Warning", "warn"],
  info: ["Note", "circle"],
};

export class FindingList {
  #at = -1;

  /** `page` offers goToFinding(finding). */
  constructor(element, detail, scheme, page) {
    Object.assign(this, { element, scheme, page });
    const order = Object.keys(SEVERITIES);
    this.findings = [...detail.findings].sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
    this.draw();
  }

  /** Go to the next finding (1), or the one before (-1); around at the ends. */
  step(by) {
    const count = this.findings.length;
    if (!count) return;
    const from = this.#at < 0 ? (by > 0 ? -1 : 0) : this.#at;
    this.choose((from + by + count) % count);
  }

  choose(at) {
    this.#at = at;
    this.draw();
    this.element.querySelector("[aria-current=true]")?.scrollIntoView({ block: "nearest" });
    this.page.goToFinding(this.findings[at]);
  }

  /** "Finding 2 of 7", for screen readers. */
  spoken() {
    const finding = this.findings[this.#at];
    return `Finding ${this.#at + 1} of ${this.findings.length}, ${SEVERITIES[finding.severity][0]}: ${finding.message}`;
  }

  draw() {
    if (!this.findings.length) return render(html`<p class="empty">Nothing was found about this case.</p>`, this.element);
    return render(
      html`<p class="muted tallies">${tallies(this.findings)}</p>
        <ol class="findings" aria-label="Findings">
          ${this.findings.map((finding, at) => this.#row(finding, at))}
        </ol>`,
      this.element,
    );
  }

  #row(finding, at) {
    const here = at === this.#at;
    const [word, drawing] = SEVERITIES[finding.severity];
    return html`<li class=${here ? "here" : nothing}>
      <button type="button" class="plain finding" aria-current=${here ? "true" : nothing} @click=${() => this.choose(at)}>
        <span class="word ${finding.severity}">${icon(drawing)} ${word}</span>
        ${finding.structure ? html`<strong>${titled(this.scheme, finding.structure)}</strong>` : nothing}
        ${placed(finding) ? nothing : html`<small>no place</small>`}
        <span class="message">${finding.message}</span>
      </button>
      ${here ? this.#more(finding) : nothing}
    </li>`;
  }

  #more(finding) {
    const said = [["Found", finding.found], ["Expected", finding.expected], ["Remedy", finding.remedy]].filter(([, text]) => text);
    const rule = `${finding.code}, from the ${finding.source === "build" ? "build" : "check"}`;
    return html`<div class="more">
      <dl>${said.map(([word, text]) => html`<div><dt>${word}</dt><dd>${text}</dd></div>`)}</dl>
      <div class="row apart"><small>${rule}</small>
        <button type="button" class="small" title="Make a mark of this finding" @click=${() => mark(finding)}>${icon("place")} Mark it</button></div>
    </div>`;
  }
}

const placed = (finding) => Boolean(finding.place_mm || finding.box || finding.structure);

function tallies(findings) {
  const count = (severity) => findings.filter((finding) => finding.severity === severity).length;
  const said = { error: ["error", "errors"], warning: ["warning", "warnings"], info: ["note", "notes"] };
  return Object.entries(said)
    .map(([severity, [one, many]]) => [count(severity), one, many])
    .filter(([n]) => n)
    .map(([n, one, many]) => `${n} ${n === 1 ? one : many}`)
    .join(", ");
}

function mark({ structure, box, message }) {
  const detail = { structure: structure || null, box: box ?? null, note: message.slice(0, 2000) };
  document.dispatchEvent(new CustomEvent("add-mark", { detail }));
}

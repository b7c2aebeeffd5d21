// The report as one page that needs nothing else: no script, no font, no picture from anywhere.
import { faultsOf, passed, type Report, residualsOf, totals, verdict } from "./report.ts";

const STYLE = `
  :root { color-scheme: light dark; --line: #8883; --good: #197a3e; --bad: #b3261e; }
  @media (prefers-color-scheme: dark) { :root { --good: #6fd08c; --bad: #ff8a80; } }
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.1rem; margin-top: 2rem; }
  p.verdict { font-size: 1.15rem; font-weight: 600; }
  .good { color: var(--good); } .bad { color: var(--bad); }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
  td.number { text-align: right; font-variant-numeric: tabular-nums; }
  details summary { cursor: pointer; } code { font-size: .9em; }`;

/** The page. */
export function asHtml(report: Report): string {
  const faults = faultsOf(report);
  const judged = { true: "good", false: "bad", null: "" }[`${passed(report)}`];
  const parts = [
    `<h1>Isolation proof</h1><p>${escape(report.subject)}, PostgreSQL ${version(report.serverVersion)}, ${
      escape(report.at)
    }</p>`,
    `<p class="verdict ${judged}">${verdict(report)}</p>`,
    table(
      ["Claim", "Figure", ""],
      totals(report).map(({ claim, figure, passed }) => [escape(claim), escape(figure), mark(passed)]),
    ),
    list("Faults", faults),
    list(
      "Left open by PostgreSQL, by name (none shows a row)",
      residualsOf(report).map(({ residual, where }) => `${residual} (${where.join(", ")})`),
    ),
    list("Not checked here", report.unchecked),
    `<h2>Attacks</h2><details><summary>every attack, by tier</summary>${attacksOf(report)}</details>`,
    `<h2>Tables</h2><p>${report.tables.map((name) => `<code>${escape(name)}</code>`).join(", ")}</p>`,
  ];
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">` +
    `<title>Isolation proof</title><style>${STYLE}</style></head><body>${parts.join("\n")}</body></html>\n`;
}

function attacksOf({ attacks }: Report): string {
  const rows = attacks.map(({ name, kind, tier, tries, refused, empty, residual, leaks }) => [
    escape(name),
    kind,
    escape(tier),
    ...[tries, refused, empty].map(String),
    residual ? "residual" : mark(leaks.length === 0),
  ]);
  return table(["Attack", "Kind", "Tier", "Tries", "Refused", "Showed nothing", ""], rows);
}

function table(heads: string[], rows: string[][]): string {
  const cell = (text: string) => `<td${/^\d+$/.test(text) ? ' class="number"' : ""}>${text}</td>`;
  return `<table><thead><tr>${heads.map((head) => `<th>${head}</th>`).join("")}</tr></thead><tbody>${
    rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("\n")
  }</tbody></table>`;
}

function list(head: string, items: string[]): string {
  return items.length ? `<h2>${head}</h2><ul>${items.map((item) => `<li>${escape(item)}</li>`).join("")}</ul>` : "";
}

const mark = (passed: boolean | null) =>
  passed === null ? "·" : passed ? '<span class="good">✔</span>' : '<span class="bad">✘</span>';
const version = (number: number) => `${Math.floor(number / 10_000)}.${number % 10_000}`;
const escape = (text: string) =>
  text.replace(/[&<>"]/g, (one) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[one]!);

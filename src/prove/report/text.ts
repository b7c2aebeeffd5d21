// The report as a table for people.
import { versionWarning } from "../../platform/fleet/deploy.ts";
import { faultsOf, passed, type Report, residualsOf, totals, verdict } from "./report.ts";

/** The table with totals, what is left open, and every fault. */
export function asText(report: Report): string {
  const lines = totals(report).map((line) => `${mark(line.passed)} ${line.claim.padEnd(34)} ${line.figure}`);
  const residuals = residualsOf(report).map(({ residual, where }) => `  · ${residual} (${where.join(", ")})`);
  const unchecked = report.unchecked.map((one) => `  · ${one}`);
  const faults = faultsOf(report);
  const warning = versionWarning(report.serverVersion);
  const seconds = Object.entries(report.seconds).map(([name, value]) => `${name} ${value.toFixed(1)} s`).join(", ");
  return [
    ...lines,
    ...(residuals.length ? ["", "Left open by PostgreSQL, by name (none shows a row):", ...residuals] : []),
    ...(unchecked.length ? ["", "Not checked here:", ...unchecked] : []),
    ...(warning ? ["", `Warning: ${warning}`] : []),
    "",
    ...faults.map((fault) => `✘ ${fault}`),
    `${mark(passed(report))} ${verdict(report)}   (${seconds})`,
  ].join("\n");
}

const mark = (passed: boolean | null) => passed === null ? "·" : passed ? "✔" : "✘";

// The report as a table for people.
import { versionWarning } from "../../platform/fleet/deploy.ts";
import { faultsOf, type Report, residualsOf, totals } from "./report.ts";

/** The table with totals, what is left open, and every fault. */
export function asText(report: Report): string {
  const lines = totals(report).map(({ claim, figure, passed }) =>
    `${passed ? "✔" : "✘"} ${claim.padEnd(34)} ${figure}`
  );
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
    `${faults.length === 0 ? "✔ 0 leaks, 0 mismatches, 0 holes" : `✘ ${faults.length} faults`}   (${seconds})`,
  ].join("\n");
}

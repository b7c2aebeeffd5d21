// What a run of the prover came to, as data: the table, the JSON and the page are made of it.
import type { AttackResult } from "../attacks/attack_run.ts";
import type { ChannelResult } from "../channels/check.ts";
import type { PropertyResult } from "../property/play.ts";

/** The rights of one database. */
export interface RightsResult {
  place: string;
  holes: string[];
  ms: number;
}

/** Everything. */
export interface Report {
  at: string;
  /** `scratch`, or what was looked at. */
  subject: string;
  serverVersion: number;
  tables: string[];
  rights: RightsResult[];
  attacks: AttackResult[];
  /** Why the attacks ended before they were done, which proves nothing of them. */
  stopped?: string;
  property: PropertyResult | null;
  channels: ChannelResult[];
  /** What this run could not check, in sentences. */
  unchecked: string[];
  seconds: Record<string, number>;
}

/** One line of the totals. */
export interface Line {
  claim: string;
  figure: string;
  /** Null: it was not tried, see `unchecked`. */
  passed: boolean | null;
}

/** What is left open by name, and where. */
export function residualsOf(report: Report): { residual: string; where: string[] }[] {
  const found = new Map<string, Set<string>>();
  for (const { residual, tier } of report.attacks) {
    if (residual) found.set(residual, (found.get(residual) ?? new Set()).add(tier));
  }
  for (const { residuals, name } of report.channels) {
    for (const residual of residuals) found.set(residual, (found.get(residual) ?? new Set()).add(name));
  }
  return [...found].map(([residual, where]) => ({ residual, where: [...where] }));
}

/** Every leak, mismatch and hole, as sentences. */
export function faultsOf(report: Report): string[] {
  return [
    ...report.rights.flatMap(({ place, holes }) => holes.map((hole) => `rights, ${place}: ${hole}`)),
    ...report.attacks.flatMap(({ name, tier, leaks }) => leaks.map((leak) => `attack "${name}", ${tier}: ${leak}`)),
    ...(report.stopped === undefined ? [] : [`attacks, they ended before they were done: ${report.stopped}`]),
    ...(report.property?.leaks ?? []).map((leak) => `random run: ${leak}`),
    ...(report.property?.mismatches ?? []).map((mismatch) => `random run, not as the oracle expects: ${mismatch}`),
    ...report.channels.flatMap(({ name, leaks }) => leaks.map((leak) => `${name}: ${leak}`)),
  ];
}

const n = (value: number) => value.toLocaleString("en");
const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);

/** Whether nothing was found: null where there are tables of tenants and their attacks were not tried. */
export function passed(report: Report): boolean | null {
  if (faultsOf(report).length > 0) return false;
  return report.tables.length > 0 && report.attacks.length === 0 ? null : true;
}

/** The verdict as a sentence. */
export function verdict(report: Report): string {
  const faults = faultsOf(report).length;
  if (faults > 0) return `${faults} fault${faults === 1 ? "" : "s"}`;
  return passed(report) === null ? "0 holes; the attacks were not tried" : "0 leaks, 0 mismatches, 0 holes";
}

/** The totals. */
export function totals(report: Report): Line[] {
  const { rights, property, channels } = report;
  const holes = sum(rights.map((one) => one.holes.length));
  const lines: Line[] = [
    { claim: "rights (90_proof.sql)", figure: `${rights.length} databases, ${holes} holes`, passed: holes === 0 },
    ...attackLines(report),
  ];
  if (property) {
    const { operations, hostile, leaks, mismatches, seed, ms } = property;
    const share = Math.round(100 * hostile / Math.max(1, operations));
    lines.push({
      claim: "random operations of 10 tenants",
      figure: `${n(operations)} (${share} % hostile, seed ${seed}) in ${
        (ms / 1000).toFixed(1)
      } s: ${leaks.length} leaks, ${mismatches.length} mismatches`,
      passed: leaks.length + mismatches.length === 0,
    });
  }
  for (const { name, tries, leaks } of channels) {
    lines.push({ claim: name, figure: `${n(tries)} tries, ${leaks.length} leaks`, passed: leaks.length === 0 });
  }
  return lines;
}

function attackLines({ attacks, tables, stopped }: Report): Line[] {
  const claim = "attacks as the run-time login";
  if (attacks.length === 0) {
    return [{ claim, figure: stopped ? "ended before they were done" : "not tried", passed: stopped ? false : null }];
  }
  const leaked = attacks.filter(({ leaks }) => leaks.length > 0).length;
  const names = new Set(attacks.map(({ name }) => name)).size;
  const tiers = new Set(attacks.map(({ tier }) => tier));
  const tries = n(sum(attacks.map(({ tries }) => tries)));
  const figure = `${names} attacks × ${tables.length} tables × ${tiers.size} tiers: ${tries} tries, ${leaked} leaked`;
  const kinds = (["read", "write", "probe"] as const).map((kind) => {
    const of = attacks.filter((one) => one.kind === kind);
    return {
      claim: `  ${kind}`,
      figure: `${n(sum(of.map(({ tries }) => tries)))} tries: ${n(sum(of.map(({ refused }) => refused)))} refused, ${
        n(sum(of.map(({ empty }) => empty)))
      } showed nothing`,
      passed: of.every(({ leaks }) => leaks.length === 0),
    };
  });
  return [{ claim, figure, passed: leaked === 0 }, ...kinds];
}

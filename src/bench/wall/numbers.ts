// Small statistics, and measurements with their goals. Ratios are taken round by round, so that what disturbs the machine
// for a while disturbs both sides.
import type { Measurement } from "../../cli/bench.ts";

/** The value in the middle; NaN of nothing. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value that the share `q` (0 to 1) of the values does not exceed; NaN of nothing. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted.length === 0 ? NaN : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}

/** The median of the ratios of values that were measured in the same round. */
export function medianRatio(values: readonly number[], others: readonly number[]): number {
  return median(values.map((value, round) => value / others[round]));
}

/** A number that must not exceed its goal; one that could not be measured (NaN) is not reached. */
export function atMost(name: string, value: number, unit: string, goal: number, note?: string): Measurement {
  return { name, value, unit, goal, direction: "at most", reached: value <= goal, note };
}

/** A number that must be its goal or more; one that could not be measured (NaN) is not reached. */
export function atLeast(name: string, value: number, unit: string, goal: number, note?: string): Measurement {
  return { name, value, unit, goal, direction: "at least", reached: value >= goal, note };
}

/** A number without a goal, to compare by. */
export function shown(name: string, value: number, unit: string, note?: string): Measurement {
  return { name, value, unit, goal: null, direction: "for comparison", reached: true, note };
}

// `bench`: measures and prints name, value, goal and whether it was reached. Each suite is a file in src/bench.
import type { Config } from "../config.ts";
import { benchMain } from "../bench/main.ts";
import { endProgram } from "../embedded/shutdown.ts";

/** One measured number. */
export interface Measurement {
  name: string;
  value: number;
  unit: string;
  /** What is to be reached; `at most` or `at least`. */
  goal: number;
  direction: "at most" | "at least";
  reached: boolean;
  note?: string;
}

const SUITES: Record<string, (config: Config) => Promise<Measurement[]>> = { main: benchMain };

/** Runs a suite. The exit code is 1 when a goal was not reached. */
export async function bench(options: { config: Config; suite: string; json: boolean }): Promise<void> {
  const suite = SUITES[options.suite];
  if (!suite) throw new Error(`There is no suite "${options.suite}"; choose ${Object.keys(SUITES).join(", ")}`);
  const measured = await suite(options.config);
  if (options.json) console.log(JSON.stringify({ suite: options.suite, measurements: measured }, null, 2));
  else for (const one of measured) console.log(line(one));
  await endProgram(measured.every((one) => one.reached) ? 0 : 1);
}

function line({ name, value, unit, goal, direction, reached, note }: Measurement): string {
  const shown = `${value.toLocaleString("en", { maximumFractionDigits: 2 })} ${unit}`;
  return `${reached ? "✔" : "✘"} ${name.padEnd(52)} ${shown.padStart(20)}   goal: ${direction} ${goal} ${unit}${
    note ? `   (${note})` : ""
  }`;
}

// `bench`: measures and prints name, value, goal and whether it was reached. Each suite is a file in src/bench.
import { type Config, UNLIMITED } from "../config.ts";
import { benchAccess } from "../bench/access/suite.ts";
import { benchMain } from "../bench/main.ts";
import { benchWall } from "../bench/wall/suite.ts";
import { endProgram } from "../embedded/shutdown.ts";

/** One measured number. */
export interface Measurement {
  name: string;
  value: number;
  unit: string;
  /** What is to be reached; null for a number that is only there to compare by. */
  goal: number | null;
  direction: "at most" | "at least" | "for comparison";
  /** False also for a number that could not be measured: it is null in JSON then, and the note says why. */
  reached: boolean;
  note?: string;
}

const SUITES: Record<string, (config: Config) => Promise<Measurement[]>> = {
  main: benchMain,
  wall: benchWall,
  access: benchAccess,
};

/** Runs a suite. The exit code is 1 when a goal was not reached. */
export async function bench(options: { config: Config; suite: string; json: boolean }): Promise<void> {
  const suite = SUITES[options.suite];
  if (!suite) throw new Error(`There is no suite "${options.suite}"; choose ${Object.keys(SUITES).join(", ")}`);
  const measured = await suite({ ...options.config, ...UNLIMITED });
  if (options.json) console.log(JSON.stringify({ suite: options.suite, measurements: measured }, null, 2));
  else for (const one of measured) console.log(line(one));
  await endProgram(measured.every((one) => one.reached) ? 0 : 1);
}

function line({ name, value, unit, goal, direction, reached, note }: Measurement): string {
  const shown = Number.isNaN(value)
    ? "not measured"
    : `${value.toLocaleString("en", { maximumFractionDigits: 2 })} ${unit}`;
  const mark = goal === null ? "·" : reached ? "✔" : "✘";
  const wanted = goal === null ? "" : `   goal: ${direction} ${goal} ${unit}`;
  return `${mark} ${name.padEnd(58)} ${shown.padStart(20)}${wanted}${note ? `   (${note})` : ""}`;
}

// The wall's numbers: what isolation costs against doing without it, against doing it the usual way and against another
// product, and what it holds under load. On a fresh embedded installation in a temporary folder, everything in one run.
import type { Measurement } from "../../cli/bench.ts";
import type { Config } from "../../config.ts";
import { OWN_ROLES } from "../../db/names.ts";
import { onShutdown } from "../../embedded/shutdown.ts";
import { startChild } from "./child.ts";
import { startContenders } from "./contenders.ts";
import { ASKING, type Ground, LOGINS, prepareGround, ROWS, TENANTS } from "./ground.ts";
import { atMost, shown } from "./numbers.ts";
import { measurePolicyCost } from "./policy_cost.ts";
import { measureSpeed } from "./speed.ts";
import { measureWithoutHttp } from "./without_http.ts";
import type { Flood, Stall, TrialConfig } from "./trial.ts";

/** Runs the suite. */
export async function benchWall(config: Config): Promise<Measurement[]> {
  const dir = await Deno.makeTempDir({ prefix: "bulkhead-bench-" });
  onShutdown("temporary folder", () => Deno.remove(dir, { recursive: true }));
  const ground = await prepareGround(config, dir);
  const contenders = await startContenders(ground);
  const speed = await measureSpeed(contenders);
  await contenders.stop();
  const visits = await measureWithoutHttp(ground);
  const cost = await measurePolicyCost(ground);
  const plain = `${Math.round(cost.plainExecution)} µs without`;
  return [
    ...speed,
    ...visits,
    atMost("policy and proof, execution of a query", cost.execution, "µs", 15, plain),
    shown(
      "policy, proof and the limit to units, execution of a query",
      cost.limited,
      "µs",
      "the table is narrowed to units for who is limited to some",
    ),
    shown(
      "policy and proof, verified anew",
      cost.verified,
      "µs",
      "at the first visit of a caller to a connection in 20 seconds",
    ),
    shown(
      "policy and proof, executed again and again in one transaction",
      cost.repeated,
      "µs",
      "a loop in the server",
    ),
    shown(
      "policy and proof, planning of a query",
      cost.planning,
      "µs",
      "at each execution, unless its plan is generic",
    ),
    ...await measureSafety(ground),
    ...await measureFairness(ground),
    shown(
      "rows read from",
      TENANTS * ROWS,
      "rows",
      `${TENANTS} tenants, ${ASKING} of them ask; made in ${seconds(ground.filledIn)}`,
    ),
  ];
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

async function measureSafety(ground: Ground): Promise<Measurement[]> {
  const ours = await trial<Flood>(ground, "ours", "bad values");
  const stock = await trial<Flood>(ground, "stock", "bad values");
  const note = ({ requests, bad, right, failed }: Flood) =>
    `${requests} requests, ${bad} of them bad, on 2 connections: ${right} right, ${failed} good ones failed`;
  const told = (flood: Flood | Error) => flood instanceof Error ? flood.message : note(flood);
  const of = (flood: Flood | Error, what: "foreign" | "hung" | "failed") => flood instanceof Error ? NaN : flood[what];
  return [
    atMost("answers with another's rows under bad values", of(ours, "foreign"), "answers", 0, told(ours)),
    atMost("requests hung under bad values", of(ours, "hung"), "requests", 0),
    atMost("good requests failed under bad values", of(ours, "failed"), "requests", 0),
    shown("answers with another's rows, stock driver alone", of(stock, "foreign"), "answers", told(stock)),
    shown("requests hung, stock driver alone", of(stock, "hung"), "requests"),
  ];
}

async function measureFairness(ground: Ground): Promise<Measurement[]> {
  const ours = await trial<Stall>(ground, "ours", "slow neighbour");
  const stock = await trial<Stall>(ground, "stock", "slow neighbour");
  const of = (stall: Stall | Error) => stall instanceof Error ? NaN : stall.stalled;
  const told = (stall: Stall | Error) =>
    stall instanceof Error ? stall.message : `4 slow queries on 5 connections, ${stall.requests} requests of others`;
  return [
    atMost("others' time stalled by a slow neighbour", of(ours), "%", 0, told(ours)),
    shown("others' time stalled, stock driver alone", of(stock), "%", told(stock)),
  ];
}

/** What a driver did in a trial, or how its process ended. */
async function trial<R>(ground: Ground, driver: TrialConfig["driver"], name: TrialConfig["trial"]): Promise<R | Error> {
  const { servers, placementId, tenants, password } = ground;
  const ours = servers.target(servers.settings.sharedDatabase, OWN_ROLES.tenantLogin);
  const target = driver === "ours" ? ours : { ...ours, user: LOGINS.plain, password };
  const key = [...servers.signer(placementId, 1).key];
  const config: TrialConfig = { driver, trial: name, target, key, tenants };
  try {
    const child = await startChild<R>({ module: "./trial.ts", config });
    await child.stop();
    return child.answer;
  } catch (error) {
    return error as Error;
  }
}

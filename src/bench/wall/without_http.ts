// The same visit without HTTP, by the doors and as (b) does it, turn about: what the two ways to the database cost by
// themselves, beside the speed of whole requests.
import type { Measurement } from "../../cli/bench.ts";
import { OWN_ROLES } from "../../db/names.ts";
import { startChild } from "./child.ts";
import { type Ground, LOGINS } from "./ground.ts";
import { atLeast, median, medianRatio, shown } from "./numbers.ts";
import type { VisitorConfig } from "./visitor.ts";

const LOAD = { lanes: 16, ms: 1_000 };
const ROUNDS = 8;
const CONNECTIONS = 10;

/** Measures and gives every number. */
export async function measureWithoutHttp(ground: Ground): Promise<Measurement[]> {
  const ours = await startVisitor(ground, "ours");
  const naive = await startVisitor(ground, "naive");
  const [mine, theirs]: number[][] = [[], []];
  try {
    for (let round = 0; round <= ROUNDS; round++) { // the first one warms up
      for (
        const [rates, child] of round % 2
          ? [[mine, ours], [theirs, naive]] as const
          : [[theirs, naive], [mine, ours]] as const
      ) {
        rates.push(await child.ask(LOAD) as number);
      }
    }
  } finally {
    await ours.stop();
    await naive.stop();
  }
  const warm = (rates: number[]) => rates.slice(1);
  return [
    atLeast(
      "visits without HTTP against (b) at 0 ms",
      medianRatio(warm(mine), warm(theirs)),
      "×",
      2,
      "the same goal where the HTTP that all have in common takes no part of the two cores",
    ),
    shown("visits without HTTP: Bulkhead", median(warm(mine)), "visits/s", `${LOAD.lanes} at once`),
    shown("visits without HTTP: (b)", median(warm(theirs)), "visits/s", `${LOAD.lanes} at once`),
  ];
}

function startVisitor({ servers, placementId, tenants, password }: Ground, driver: VisitorConfig["driver"]) {
  const own = servers.target(servers.settings.sharedDatabase, OWN_ROLES.tenantLogin);
  const target = driver === "ours" ? own : { ...own, user: LOGINS.naive, password };
  const key = [...servers.signer(placementId, 1).key];
  const config: VisitorConfig = { driver, target, key, tenants, connections: CONNECTIONS };
  return startChild({ module: "./visitor.ts", config });
}

// What checking a permission costs beside the read that it allows, in round trips: in a process that knows the caller, in one that
// has never seen it, and after its role was changed.
import type { Measurement } from "../../cli/bench.ts";
import { createTokens } from "../../identity/tokens.ts";
import { CurrentAccess } from "../../tenancy/access.ts";
import type { Services } from "../../tenancy/services.ts";
import { atMost, shown } from "../wall/numbers.ts";
import { countedApp, countedPools } from "./counted.ts";

/** Who reads, and how its role is changed. */
export interface Reader {
  tenantId: string;
  token: string;
  changeRole(): Promise<void>;
}

const PATH = "/v1/buildings?limit=10";

/** Measures reads of one member. */
export async function measureChecks(services: Services, reader: Reader): Promise<Measurement[]> {
  const pools = countedPools();
  const process = () =>
    countedApp(services, pools, {
      access: new CurrentAccess(),
      tokens: createTokens(services.servers.masterKey, { issuer: "bulkhead", versions: [1] }),
    });
  const [warm, cold] = [process(), process()];
  const init = { headers: { authorization: `Bearer ${reader.token}` } };
  const tenant = await services.directory.byId(reader.tenantId);
  const entering = { operation: "bench", requestId: "", readOnly: true };
  const read = async () =>
    await warm.doors.asTenant(
      await services.targets.context(tenant!, entering),
      (tx) => tx`select id, name from tenant.buildings order by name limit 10`,
    );
  await read(); // connects
  for (let i = 0; i < 5; i++) await warm.cost("GET", PATH, init);
  const bare = await warm.costOf(read);
  const known = await warm.cost("GET", PATH, init);
  const first = await cold.cost("GET", PATH, init);
  await reader.changeRole();
  const changed = await warm.cost("GET", PATH, init);
  const after = await warm.cost("GET", PATH, init);
  await pools.end();
  const extra = (cost: { trips: number }) => cost.trips - bare.trips;
  const trips = "round trips";
  return [
    atMost("permission check: extra round trips, warm process", extra(known), trips, 0),
    atMost("permission check: extra round trips, cold process", extra(first), trips, 0, "never saw the caller"),
    atMost("permission check: reloads after a role change", changed.reloads, "reloads", 1),
    shown(
      "permission check: extra round trips of that reload",
      extra(changed),
      trips,
      "the refused try, and the reload",
    ),
    atMost("permission check: extra round trips after it", extra(after), trips, 0, "with the same token"),
  ];
}

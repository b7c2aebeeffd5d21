// Sessions that tenants share one after another: what the attacker leaves on one, through an injected statement, must reach
// neither a visit that forgot its context nor the victim's next visit.
import { createDoors } from "../../db/doors.ts";
import { ContextStatement } from "../../db/pool.ts";
import { Pools } from "../../db/pools.ts";
import { signContext } from "../../tenancy/context.ts";
import type { MakeDoors } from "../property/world.ts";
import { raw } from "../property/raw_door.ts";
import type { Scratch } from "../scratch.ts";
import type { Site } from "../site.ts";
import { type ChannelOptions, type ChannelResult, Findings, sharedSite } from "./check.ts";

/** What is left behind, by name: statements that are sent one by one in the attacker's visit, which is kept. */
export const LEFT: Record<string, (site: Site, proof: string) => string[]> = {
  "a claim for the session": ({ attacker }, proof) => [
    `select set_config('app.tenant_id', '${attacker.id}', false), set_config('app.proof', '${proof}', false)`,
  ],
  "SET of a claim": ({ attacker }, proof) => [`set app.tenant_id = '${attacker.id}'`, `set app.proof = '${proof}'`],
  "a reading session": () => ["set session characteristics as transaction read only"],
  "a search_path": () => ["set search_path = pg_temp, public"],
  "a role": () => ["set role none"],
  "a prepared statement with the context's name": () => [
    "deallocate all",
    "prepare bulkhead_tenant (text, text, text, text) as select 1",
  ],
  "no prepared statements": () => ["deallocate all"],
  "a cursor that outlives its transaction":
    () => ["declare spy cursor with hold for select * from tenant.members", "select 1"],
  "a listener": () => ["listen spy"],
  "an advisory lock": () => ["select pg_advisory_lock(4711)"],
  "a temporary table": () => ["create temp table members as select * from tenant.members"],
  "an ended transaction": () => ["commit"],
  "everything discarded": () => ["discard all"],
};

/** Settings that a SELECT can leave on the session, with a value each that is nobody's own. */
const SETTINGS = {
  statement_timeout: "59s",
  row_security: "off",
  plan_cache_mode: "force_custom_plan",
  bytea_output: "escape",
  search_path: "pg_temp",
  DateStyle: "SQL, DMY",
  "spy.rows": "kept",
};

const NOTHING = new ContextStatement("bulkhead_prove_nothing", "select 1", 0);

/** Leaves each thing on the only connection of a pool; mutants give other doors. */
export async function checkSessions(
  scratch: Scratch,
  _: ChannelOptions,
  over: { doors?: MakeDoors } = {},
): Promise<ChannelResult> {
  const findings = new Findings("sessions");
  const site = sharedSite(scratch);
  const { services } = scratch;
  const pools = new Pools({ maxConnections: 1, perPool: 1 });
  const doors = (over.doors ?? createDoors)(pools, services.servers.platform(), services.log);
  const visit = async <T>(who: "attacker" | "victim", work: Parameters<typeof doors.asTenant<T>>[1]) => {
    const entering = { operation: "prove.sessions", requestId: "", readOnly: false };
    return await doors.asTenant(
      await services.targets.context({ id: site[who].id, placement: site.placement }, entering),
      work,
    );
  };
  try {
    for (const [name, left] of Object.entries(LEFT)) {
      const proof = signContext(site.signer, site.attacker.id, null, 0);
      await visit("attacker", async (tx) => {
        for (const text of left(site, proof)) await raw(tx, text);
      }).catch(() => {}); // refused, or the connection was cut: both are fine
      const rows = await visit("victim", (tx) => raw(tx, "select tenant_id::text, 1 from tenant.members"));
      const own = rows.length > 0 && rows.every(({ tenant_id }) => tenant_id === site.victim.id);
      findings.expect(own, `after ${name}, the victim's visit did not see its own rows alone`);
      if (name === "a claim for the session") continue; // its own, fresh proof: see the residuals
      const pool = pools.get(site.target);
      const seen = await pool.run(
        { statement: NOTHING, values: () => [] },
        (tx) => raw(tx, "select 1 from tenant.members"),
      )
        .catch(() => []);
      findings.expect(seen.length === 0, `after ${name}, a visit without a context saw ${seen.length} rows`);
    }
    for (const [name, value] of Object.entries(SETTINGS)) {
      await visit("attacker", (tx) => raw(tx, `select set_config('${name}', '${value}', false)`)).catch(() => {});
      const [{ left }] = await visit("victim", (tx) => raw(tx, `select current_setting('${name}', true) as left`));
      findings.expect(left !== value, `${name}, left for the session by the attacker, was met by the victim`);
    }
  } finally {
    await pools.end();
  }
  return findings.result();
}

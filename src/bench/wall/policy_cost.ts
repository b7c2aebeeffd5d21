// What policy and proof add to a query in the database: the same query on the same table in one session, as the tenant
// login with a proven context, which the database remembers or verifies anew, and as the superuser with a plain condition.
// By EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF),
// as single executions, and by a loop in the server, as the bare computation; turn about.
import { type Sql, withDirect } from "../../db/direct.ts";
import { OWN_ROLES } from "../../db/names.ts";
import { signContext, signPermit } from "../../tenancy/context.ts";
import type { Ground } from "./ground.ts";
import { median } from "./numbers.ts";

const TRANSACTIONS = 120;
const PAIRS = 50;
/** So few that they are over before the machine gives others their turn. */
const REPEATED = 20;

const COLUMNS = "id, first_name, last_name, email, phone, created_at from tenant.renters";
const ORDER = "order by last_name_key, id limit 21";

/** Microseconds that are added, medians. */
export interface PolicyCost {
  /** By the guard and the proof. */
  execution: number;
  /** By them, where the context is verified anew. */
  verified: number;
  /** By them and by the limit to units, which this table has beside them. */
  limited: number;
  planning: number;
  /** Of an execution that follows others at once. */
  repeated: number;
  /** Of the plain query, to compare with. */
  plainExecution: number;
}

interface Times {
  execution: number[];
  planning: number[];
  repeated: number[];
}

/** Measures it. */
export async function measurePolicyCost(ground: Ground): Promise<PolicyCost> {
  const { servers, placementId, tenants } = ground;
  const signer = servers.signer(placementId, 1);
  const [guarded, verified, limited, plain]: Times[] = [1, 2, 3, 4].map(() => ({
    execution: [],
    planning: [],
    repeated: [],
  }));
  await withDirect(servers.admin(servers.settings.sharedDatabase), async (sql) => {
    const [{ rule }] = await sql<{ rule: string }[]>`select pg_get_expr(polqual, polrelid) as rule from pg_policy
      where polrelid = 'tenant.renters'::regclass and polname = 'tenant_rows'`;
    const [{ pid }] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    for (let round = 0; round < TRANSACTIONS; round++) {
      const tenant = tenants[round % tenants.length];
      const acting = { actor: `member:${tenant}`, access: { subject: tenant, version: 1 } };
      const proof = signContext(signer, tenant, acting, pid);
      const times = [guarded, verified, limited][round % 3];
      const isRemembered = times !== verified;
      await sql.unsafe(`alter policy tenant_rows on tenant.renters using (${times === limited ? rule : "true"})`);
      if (isRemembered) {
        await sql`select app.remember(${tenant}, ${proof}, ${signPermit(signer, tenant, acting, pid, proof)})`;
      }
      await sql.begin(async (transaction) => {
        const tx = transaction as unknown as Sql;
        await tx`select set_config('app.tenant_id', ${tenant}, true), set_config('app.proof', ${proof}, true)`;
        for (let pair = 0; pair < PAIRS; pair++) {
          await tx.unsafe(`set local role ${OWN_ROLES.tenantLogin}`);
          await (pair % 10 === 0 ? repeat : explain)(tx, `${COLUMNS} ${ORDER}`, times);
          await tx.unsafe("set local role none");
          await (pair % 10 === 0 ? repeat : explain)(tx, `${COLUMNS} where tenant_id = '${tenant}' ${ORDER}`, plain);
        }
      });
    }
  });
  const added = (times: Times, what: keyof Times) => (median(times[what]) - median(plain[what])) * 1000;
  return {
    execution: added(guarded, "execution"),
    verified: added(verified, "execution"),
    limited: added(limited, "execution"),
    planning: added(guarded, "planning"),
    repeated: added(guarded, "repeated"),
    plainExecution: median(plain.execution) * 1000,
  };
}

async function explain(tx: Sql, query: string, times: Times): Promise<void> {
  const [row] = await tx.unsafe(`explain (analyze, timing off, buffers off, summary on, format json) select ${query}`);
  const [plan] = row["QUERY PLAN"] as { "Execution Time": number; "Planning Time": number }[];
  times.execution.push(plan["Execution Time"]);
  times.planning.push(plan["Planning Time"]);
}

async function repeat(tx: Sql, query: string, times: Times): Promise<void> {
  await tx.unsafe(`do $$
    declare started timestamptz;
    begin
      for i in 0..${REPEATED} loop
        if i = 1 then started := clock_timestamp(); end if;
        perform ${query};
      end loop;
      perform set_config('bench.took', (extract(epoch from clock_timestamp() - started) * 1000 / ${REPEATED})::text, true);
    end $$`);
  const [{ took }] = await tx.unsafe("select current_setting('bench.took')::float8 as took");
  times.repeated.push(Number(took));
}

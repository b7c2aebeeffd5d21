// 12,000 interleaved transactions of ten tenants over four backends of a transaction pooler, with values that do not fit,
// forged contexts, statements cut at their deadline and backends killed: nobody gets a row of another, nothing hangs, and
// no backend keeps a context for who comes next.
import assert from "node:assert/strict";
import { addBuilding, type Compartments, makeCompartments } from "../db/compartments.ts";
import { looking, putBehind } from "../db/setup.ts";
import type { TenantContext } from "../../src/db/doors.ts";
import { ContextStatement } from "../../src/db/pool.ts";
import { json, type Tx } from "../../src/db/sql.ts";
import { BACKENDS, poolerIsThere, startPooler } from "./pgbouncer.ts";

const TRANSACTIONS = 12_000;
const LANES = 24;
const TENANTS = 10;
const ROWS = 5;
const HUNG_MS = 20_000;

/** What was seen. */
class Tally {
  right = 0;
  wrong = 0;
  hung = 0;
  left = 0;
  probes = 0;
  kills = 0;
  readonly failed: Record<string, number> = {};
  /** Tenants by the backend that served them. */
  readonly backends = new Map<number, Set<string>>();

  fail(code: string): void {
    this.failed[code] = (this.failed[code] ?? 0) + 1;
  }
}

interface Seen {
  tenant: string;
  claim: string;
  echo: number;
  pid: number;
}

const BAD: ((tx: Tx) => PromiseLike<unknown>)[] = [
  (tx) => tx`select ${"abc"}::timestamptz`,
  (tx) => tx`select ${undefined as unknown as null}::int`,
  (tx) => tx`select name from tenant.buildings where id = ${"not a uuid"}`,
  (tx) => tx`select ${json({ a: "\0" })}::jsonb`,
  (tx) => tx`select 1 / (3 - n) from generate_series(1, 5) n`,
  (tx) => addBuilding(tx, ""),
  (tx) => tx`copy (select name from tenant.buildings) to stdout`,
  () => Promise.reject(new Error("thrown")),
];

/** The tenant's rows with what else must be its own. */
function look(tx: Tx, echo: number) {
  return tx<Seen>`select tenant_id as tenant, current_setting('app.tenant_id') as claim, ${echo}::int as echo,
    pg_backend_pid() as pid from tenant.buildings`;
}

async function storm(place: Compartments): Promise<Tally> {
  const tally = new Tally();
  const { admin } = place.scratch;
  let next = 0;
  const lane = async () => {
    for (let i = next++; i < TRANSACTIONS; i = next++) {
      await within(tally, i % 7 === 3 ? probe(place, tally) : visit(place, tally, i));
      if (i % 600 === 599) {
        tally.kills++;
        await admin`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${place.target.user}
          order by random() limit 1`;
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return tally;
}

/** Counts what takes too long, and goes on without it. */
async function within(tally: Tally, work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => timer = setTimeout(() => resolve(void tally.hung++), HUNG_MS));
  await Promise.race([work, late]);
  clearTimeout(timer);
}

async function visit(place: Compartments, tally: Tally, i: number): Promise<void> {
  const tenant = place.tenants[(i * 7 + (i >> 4)) % TENANTS];
  const isBad = i % 20 === 9, isForged = i % 50 === 17, isSlow = i % 400 === 33;
  const change: Partial<TenantContext> = isForged
    ? { sign: place.context(place.tenants[0]).sign, tenantId: place.tenants[1 + i % 9] }
    : isSlow
    ? { deadlineMs: 30 }
    : {};
  const work = async (tx: Tx): Promise<Seen[]> => {
    if (i % 3 === 0) await look(tx, i);
    if (isSlow) await tx`select pg_sleep(10)`;
    if (isBad) await BAD[(i >> 2) % BAD.length](tx);
    else await tx`update tenant.buildings set updated_at = now() where city <> ${"x"}`;
    return await look(tx, i);
  };
  const isAlone = !isBad && !isSlow && i % 3 !== 0;
  try {
    const rows = await place.doors.asTenant(
      place.context(tenant, change),
      isAlone ? (tx) => look(tx, i).map((rows): Seen[] => rows) : work,
    );
    const isOwn = rows.length === ROWS &&
      rows.every((row) => row.tenant === tenant && row.claim === tenant && row.echo === i);
    if (isOwn && !isBad && !isForged && !isSlow) tally.right++;
    else tally.wrong++;
    for (const { pid } of rows) tally.backends.set(pid, (tally.backends.get(pid) ?? new Set()).add(tenant));
  } catch (error) {
    tally.fail((error as { code?: string }).code ?? "thrown");
  }
}

/** Enters without setting anything: what is there now was left by someone. */
async function probe(place: Compartments, tally: Tally): Promise<void> {
  try {
    const [{ left, rows }] = await place.pool.run(
      looking,
      (tx) =>
        tx<{ left: string; rows: number }>`select concat(current_setting('app.tenant_id', true),
        current_setting('app.proof', true), current_setting('app.operation', true),
        nullif(current_setting('transaction_read_only'), 'off')) as left,
        (select count(*)::int from tenant.buildings) as rows`,
    );
    tally.probes++;
    if (left !== "" || rows !== 0) tally.left++;
  } catch (error) {
    tally.fail((error as { code?: string }).code ?? "thrown");
  }
}

if (poolerIsThere()) {
  const pooler = await startPooler();
  Deno.test.afterAll(() => pooler.stop());
  putBehind(pooler);
  const place = await makeCompartments(TENANTS, { maxConnections: 12, perPool: 12, queueMs: 10_000 });
  Deno.test.afterAll(() => place.drop());
  for (const tenant of place.tenants) {
    await place.doors.asTenant(place.context(tenant), async (tx) => {
      for (let i = 0; i < ROWS; i++) await addBuilding(tx, `${i} of ${tenant}`);
    });
  }

  Deno.test(
    "asTenant() behind a transaction pooler gives nobody the rows of another in 12,000 interleaved transactions",
    { sanitizeOps: false, sanitizeResources: false },
    async () => {
      const start = performance.now();
      const tally = await storm(place);
      const { right, wrong, hung, left, probes, kills, failed, backends } = tally;
      const all = Object.values(failed).reduce((sum, count) => sum + count, right + wrong + hung + probes);
      const tenantsEach = [...backends.values()].map((tenants) => tenants.size);
      console.log(
        `    ${all} transactions in ${Math.round(performance.now() - start)} ms, ${BACKENDS} backends at a time, ` +
          `${kills} killed: ${right} right, ${wrong} wrong, ${hung} hung, ${left} of ${probes} probes found a context; ` +
          `refused or failed: ${JSON.stringify(failed)}`,
      );
      assert.deepEqual({ all, wrong, hung, left }, { all: TRANSACTIONS, wrong: 0, hung: 0, left: 0 });
      assert.ok(right > TRANSACTIONS * 0.7, `${right} came back`);
      assert.ok(Math.max(...tenantsEach) === TENANTS, "The transactions of the tenants did not meet");
      const counts = await place.scratch.admin`select count(*)::int as n from tenant.buildings group by tenant_id`;
      assert.deepEqual(counts.map(({ n }) => n), new Array(TENANTS).fill(ROWS));
    },
  );

  Deno.test(
    "The storm's probe finds a context that was set for the session",
    { sanitizeOps: false, sanitizeResources: false },
    async () => {
      const statement = new ContextStatement("lasting", "select set_config('app.tenant_id', $1, false)", 1);
      await place.pool.run({ statement, values: () => [place.tenants[0]] }, (tx) => tx`select 1`);
      const tally = new Tally();
      for (let i = 0; i < 3; i++) await probe(place, tally);
      assert.ok(tally.left + (tally.failed["42501"] ?? 0) > 0); // without a proof, the rows are refused as well
    },
  );
}

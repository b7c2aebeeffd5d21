// What must not end the process, mix up answers or leave a tenant's context behind: killed backends, floods of bad values
// on a small pool. Runs behind a pooler too.
import assert from "node:assert/strict";
import { json, type Tx } from "../../src/db/sql.ts";
import { as, database, failure, leftover, openStraight, pause, withPool } from "./setup.ts";

const target = await database("faults");
const isPooled = target.pooler === "transaction";

const myPid = (tx: Tx) => tx<{ pid: number }>`select pg_backend_pid() as pid`.map(([row]) => row.pid);

Deno.test("Pool.run() survives a backend that is killed while idle", () =>
  withPool(target, { max: 1 }, async (pool) => {
    const pid = await pool.run(as("a"), myPid);
    const killer = await openStraight(target);
    await killer`select pg_terminate_backend(${pid}::int)`;
    await killer.end();
    await pause(50);
    assert.equal(pool.stats().connections, isPooled ? 1 : 0);
    assert.equal(await leftover(pool), null);
  }));

Deno.test("Pool.run() survives a backend that is killed while busy, alone or in a transaction", () =>
  withPool(target, { max: 1 }, async (pool) => {
    const killer = await openStraight(target);
    const killSleepers = () =>
      killer`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and query like '%pg_sleep(30)%' and pid <> pg_backend_pid()`;
    const alone = failure(pool.run(as("a"), (tx) => tx`select pg_sleep(30)`));
    await pause(100);
    await killSleepers();
    const error = await alone;
    assert.equal(error.code, "database_unavailable");
    assert.match(error.message, isPooled ? /08P01/ : /57P01/);
    const later = failure(pool.run(as("a"), async (tx) => {
      await myPid(tx);
      await tx`select pg_sleep(30)`;
    }));
    await pause(100);
    await killSleepers();
    assert.equal((await later).code, "database_unavailable");
    const between = pool.run(as("a"), async (tx) => {
      const pid = await myPid(tx);
      await killer`select pg_terminate_backend(${pid}::int)`;
      await pause(50);
      await tx`select 1`;
    });
    assert.equal((await failure(between)).code, "database_unavailable");
    const beforeCommit = pool.run(as("a"), async (tx) => {
      const pid = await myPid(tx);
      await killer`select pg_terminate_backend(${pid}::int)`;
      await pause(50);
    });
    assert.equal((await failure(beforeCommit)).code, "database_unavailable");
    const own = await failure(pool.run(as("a"), (tx) => tx`select pg_terminate_backend(pg_backend_pid())`));
    assert.equal(own.code, "database_unavailable");
    assert.equal(await leftover(pool), null);
    await killer.end();
  }));

Deno.test("Pool.run() leaves no context behind after a cancellation or a timeout", () =>
  withPool(target, { max: 1 }, async (pool) => {
    const [outside, holder] = await Promise.all([openStraight(target), openStraight(target)]);
    await outside`create table held (n int)`;
    const cancelSoon = () =>
      pause(60).then(() =>
        outside`select pg_cancel_backend(pid) from pg_stat_activity
          where datname = current_database() and query like '%pg_sleep(30)%' and pid <> pg_backend_pid()`
      );
    const sleep = (tx: Tx) => tx`select pg_sleep(30)`;
    const limited = (setting: string, work: (tx: Tx) => PromiseLike<unknown>) => async (tx: Tx) => {
      await tx`select set_config(${setting}, '40', true)`;
      await work(tx);
    };
    const faults: [string, string, (tx: Tx) => PromiseLike<unknown>, (() => PromiseLike<unknown>)?][] = [
      ["cancelled", "57014", sleep, cancelSoon],
      ["cancelled in a transaction", "57014", async (tx) => (await myPid(tx), await sleep(tx)), cancelSoon],
      ["statement timeout", "57014", limited("statement_timeout", sleep)],
      ["lock timeout", "55P03", limited("lock_timeout", (tx) => tx`insert into held values (1)`)],
    ];
    await holder.begin(async (locking) => {
      await locking`lock table held`;
      for (const [name, code, work, meanwhile] of faults) {
        const [error] = await Promise.all([failure(pool.run(as("a"), work)), meanwhile?.()]);
        assert.equal(error.code, code, name);
        assert.equal(await leftover(pool), null, name);
      }
    });
    await Promise.all([outside.end(), holder.end()]);
  }));

/** What a hostile or careless caller might bind, each with a statement that it does not fit. */
const BAD: ((tx: Tx) => PromiseLike<unknown>)[] = [
  (tx) => tx`select ${"abc"}::timestamptz`,
  (tx) => tx`select ${undefined as unknown as null}::int`,
  (tx) => tx`select ${"1; drop table x"}::int`,
  (tx) => tx`select ${NaN}::float8`,
  (tx) => tx`select ${json({ a: "\0" })}::jsonb`,
  (tx) => tx`select ${"\uD800"}::text`,
  (tx) => tx`select ${[1, undefined as unknown as null]}::int[]`,
  (tx) => tx`select ${"x"}::uuid where ${"not a bool"}::bool`,
  (tx) => tx`select 1 / (${3}::int - n) as x from generate_series(1, 5) n`,
  (tx) => tx`select ${{} as unknown as null}::text`,
];

async function flood(count: number, killing: boolean): Promise<{ wrong: number; right: number; failed: number }> {
  const result = { wrong: 0, right: 0, failed: 0 };
  await withPool(target, { max: 2, queueMs: 60_000 }, async (pool) => {
    const killer = await openStraight(target);
    const visit = async (i: number) => {
      const tenant = `tenant-${i}`;
      const good = (tx: Tx) =>
        tx<{ tenant: string; i: number; n: number }>`
          select current_setting('app.tenant_id') as tenant, ${i}::int as i, n from generate_series(1, ${
          i % 7 + 1
        }::int) n`;
      const isBad = i % 12 === 5;
      const work = isBad
        ? i % 24 === 5 ? BAD[(i >> 3) % BAD.length] : async (tx: Tx) => {
          await good(tx);
          await BAD[(i >> 3) % BAD.length](tx);
        }
        : i % 3 === 0
        ? async (tx: Tx) => (await good(tx), await good(tx))
        : good;
      try {
        const rows = await pool.run(as(tenant), work as typeof good);
        const fits = rows.length === i % 7 + 1 &&
          rows.every((row, at) => row.tenant === tenant && row.i === i && row.n === at + 1);
        if (fits && !isBad) result.right++;
        else result.wrong++;
      } catch {
        result.failed++;
      }
      if (killing && i % 100 === 0) {
        await killer`select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`;
      }
    };
    await Promise.all(Array.from({ length: count }, (_, i) => visit(i)));
    assert.equal(await leftover(pool), null);
    await killer.end();
  });
  return result;
}

Deno.test("Pool.run() gives nobody the rows of another in a flood with values that do not fit", async () => {
  assert.deepEqual(await flood(1_200, false), { wrong: 0, right: 1_100, failed: 100 });
});

Deno.test("Pool.run() gives nobody the rows of another while backends are killed", async () => {
  const { wrong, right, failed } = await flood(1_200, true);
  assert.equal(wrong, 0);
  assert.equal(right + failed, 1_200);
  assert.ok(right > 900, `${right} of 1,100 good ones came back`);
});

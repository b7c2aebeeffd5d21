// What must not end the process, mix up answers or leave a tenant's context behind: killed backends, a restarted server,
// floods of bad values on a small pool.
import assert from "node:assert/strict";
import { startCluster } from "../../src/embedded/cluster.ts";
import { AppError } from "../../src/errors.ts";
import { openDirect } from "../../src/db/direct.ts";
import { json, type Tx } from "../../src/db/sql.ts";
import { as, database, failure, leftover, pause, withPool } from "./setup.ts";

const target = await database("faults");

const myPid = (tx: Tx) => tx<{ pid: number }>`select pg_backend_pid() as pid`.map(([row]) => row.pid);

Deno.test("Pool.run() survives a backend that is killed while idle", () =>
  withPool(target, { max: 1 }, async (pool) => {
    const pid = await pool.run(as("a"), myPid);
    const killer = await openDirect(target);
    await killer`select pg_terminate_backend(${pid}::int)`;
    await killer.end();
    await pause(50);
    assert.equal(pool.stats().connections, 0);
    assert.equal(await leftover(pool), null);
  }));

Deno.test("Pool.run() survives a backend that is killed while busy, alone or in a transaction", () =>
  withPool(target, { max: 1 }, async (pool) => {
    const killer = await openDirect(target);
    const killSleepers = () =>
      killer`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and query like '%pg_sleep(30)%' and pid <> pg_backend_pid()`;
    const alone = failure(pool.run(as("a"), (tx) => tx`select pg_sleep(30)`));
    await pause(100);
    await killSleepers();
    const error = await alone;
    assert.equal(error.code, "database_unavailable");
    assert.match(error.message, /57P01/);
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
    const killer = await openDirect(target);
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

Deno.test("Pool.run() and openDirect() survive a restart and a crash of PostgreSQL under load", async () => {
  const dir = await Deno.makeTempDir({ prefix: "bulkhead-test-" });
  const cluster = await startCluster({ dir, name: "restarted", superuserPassword: "restart", fast: true });
  try {
    await withPool({ ...cluster.superuser }, { max: 4, queueMs: 60_000 }, async (pool) => {
      const direct = await openDirect(cluster.superuser);
      const seen = new Set<string>();
      let wrong = 0, stop = false;
      const load = Array.from({ length: 8 }, async (_, i) => {
        while (!stop) {
          const one = (tx: Tx) => tx<{ t: string }>`select current_setting('app.tenant_id') as t, pg_sleep(0.002)`;
          const work = i % 2 ? one : async (tx: Tx) => (await one(tx), await one(tx));
          try {
            const [row] = await pool.run(as(`t${i}`), work);
            if (row.t !== `t${i}`) wrong++;
          } catch (error) {
            seen.add(error instanceof AppError ? error.code : String(error));
            await pause(20);
          }
        }
      });
      await pause(150);
      await cluster.restart();
      await pause(150);
      await cluster.kill();
      await pause(100);
      await cluster.restart();
      const again = performance.now();
      while (await pool.run(as("after"), myPid).then(() => false, () => true)) {
        assert.ok(performance.now() - again < 5_000);
        await pause(20);
      }
      stop = true;
      await Promise.all(load);
      assert.equal(wrong, 0);
      assert.deepEqual([...seen], ["database_unavailable"]);
      assert.equal((await failure(direct`select 1`)).code, "08006");
      await direct.end();
    });
  } finally {
    await cluster.stop();
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("openDirect() runs several statements at once, transactions and COPY", async () => {
  const direct = await openDirect(target, { statementTimeoutMs: 300 });
  await direct.unsafe("create table plain (n int); insert into plain values (1), (2)");
  const inside = await direct.begin(async (tx) => {
    await tx`insert into plain values (${3})`;
    return await tx`select count(*)::int as n from plain`;
  });
  assert.deepEqual([...inside], [{ n: 3 }]);
  const chunks: string[] = [];
  for await (const chunk of await direct`copy plain to stdout`.readable()) chunks.push(String(chunk));
  assert.equal(chunks.join(""), "1\n2\n3\n");
  assert.equal((await failure(direct`select pg_sleep(5)`)).code, "57014");
  assert.equal((await failure(direct.begin((tx) => tx`select 1 / 0`))).code, "22012");
  assert.deepEqual([...await direct`select ${1}::int as one`], [{ one: 1 }]);
  await direct.end();
});

Deno.test("openDirect() refuses everything after its backend was killed, inside begin too, and never reconnects", async () => {
  let down = 0;
  const direct = await openDirect(target, { onDown: () => down++ });
  const killer = await openDirect(target);
  const [{ pid }] = await direct`select pg_backend_pid() as pid`;
  const inside = direct.begin(async (tx) => {
    await tx`select 1`;
    setTimeout(() => killer`select pg_terminate_backend(${pid}::int)`.then(() => {}), 50);
    await tx`select pg_sleep(30)`;
  });
  await failure(inside);
  assert.equal((await failure(direct`select 1`)).code, "08006");
  assert.equal((await failure(direct.begin((tx) => tx`select 1`))).code, "08006");
  assert.equal((await failure(direct.unsafe("select 1; select 2"))).code, "08006");
  await direct.end();
  await killer.end();
  assert.equal(down, 1);
});

Deno.test("openDirect() hears notifications", async () => {
  const heard: string[] = [];
  const direct = await openDirect(target, { onNotify: (channel, payload) => heard.push(`${channel} ${payload}`) });
  await direct`listen things`;
  await withPool(target, {}, async (pool) => {
    await pool.run(as("a"), (tx) => tx`select pg_notify('things', ${"hello"})`);
  });
  for (let i = 0; i < 50 && heard.length === 0; i++) await pause(10);
  assert.deepEqual(heard, ["things hello"]);
  await direct.end();
});

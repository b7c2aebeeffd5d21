// Pool.run() and its limits: deadlines, the queue, bytes, idle connections. Runs behind a pooler too.
import assert from "node:assert/strict";
import type { Tx } from "../../src/db/sql.ts";
import { as, database, failure, falseServer, leftover, pause, withPool } from "./setup.ts";

const target = await database("limits");

const whoAmI = (tx: Tx) =>
  tx<{ tenant: string; n: number }>`select current_setting('app.tenant_id') as tenant, ${1}::int as n`;

Deno.test("Pool.run() cuts a statement at its deadline and the server stops it", () =>
  withPool(target, { max: 1 }, async (pool) => {
    const start = performance.now();
    const alone = await failure(pool.run(as("a"), (tx) => tx`select pg_sleep(20)`, { deadlineMs: 100 }));
    assert.equal(alone.code, "database_unavailable");
    const later = pool.run(as("a"), async (tx) => {
      await whoAmI(tx);
      await tx`select pg_sleep(20)`;
    }, { deadlineMs: 100 });
    assert.equal((await failure(later)).code, "database_unavailable");
    const idle = pool.run(as("a"), async (tx) => {
      await whoAmI(tx);
      await new Promise(() => {}); // a function that never comes back
    }, { deadlineMs: 100 });
    assert.equal((await failure(idle)).code, "overloaded");
    assert.ok(performance.now() - start < 15_000);
    assert.equal(await leftover(pool), null);
    await pause(100);
    const [{ n }] = await pool.run(
      as("a"),
      (tx) =>
        tx<{ n: number }>`select count(*)::int as n from pg_stat_activity where query like '%pg_sleep(20)%'
        and datname = current_database() and pid <> pg_backend_pid()`,
    );
    assert.equal(n, 0);
  }));

Deno.test("Pool.run() answers overloaded with Retry-After when no connection becomes free in time", () =>
  withPool(target, { max: 1, queueMs: 500 }, async (pool) => {
    const slow = pool.run(as("a"), (tx) => tx`select pg_sleep(1.5)`);
    const error = await failure(pool.run(as("b"), whoAmI));
    assert.deepEqual([error.code, error.retryAfter], ["overloaded", 1]);
    await slow;
    assert.deepEqual(await pool.run(as("b"), whoAmI), [{ tenant: "b", n: 1 }]);
    assert.equal(pool.stats().waiting, 0);
  }));

Deno.test("Pool.run() never opens more than max connections and serves who waits in order", () =>
  withPool(target, { max: 2 }, async (pool) => {
    const order: number[] = [];
    await Promise.all(Array.from({ length: 20 }, async (_, i) => {
      await pool.run(as("a"), (tx) => tx`select pg_sleep(0.005)`);
      order.push(i);
      assert.ok(pool.stats().connections <= 2);
    }));
    assert.ok(order.indexOf(19) >= 18 && order.indexOf(0) <= 1);
  }));

Deno.test("Pool.run() stops reading when a scope receives too much", () =>
  withPool(target, { max: 1, byteLimit: 1_000_000 }, async (pool) => {
    const flood = await failure(
      pool.run(as("a"), (tx) => tx`select repeat('x', 1000) from generate_series(1, 1000000)`),
    );
    assert.match(flood.message, /more than 1000000 bytes/);
    for (let i = 0; i < 3; i++) { // the limit is for a scope, not for the connection
      assert.equal(
        (await pool.run(as("a"), (tx) => tx`select repeat('x', 600) from generate_series(1, 1000)`)).length,
        1000,
      );
    }
  }));

Deno.test("Pool.run() takes a row larger than one read", () =>
  withPool(target, { max: 1 }, async (pool) => {
    const [row] = await pool.run(as("a"), (tx) => tx<{ x: string }>`select repeat('x', 5000000) as x`);
    assert.equal(row.x.length, 5_000_000);
    const text = "y".repeat(3_000_000);
    const [back] = await pool.run(as("a"), (tx) => tx<{ y: string }>`select ${text} as y`);
    assert.equal(back.y, text);
  }));

Deno.test("Pool closes idle connections after idleMs", () =>
  withPool(target, { idleMs: 60 }, async (pool) => {
    const slow = () => pool.run(as("a"), (tx) => tx`select pg_sleep(0.05)`);
    await Promise.all([slow(), slow()]);
    assert.equal(pool.stats().idle, 2);
    await pause(200);
    assert.equal(pool.stats().connections, 0);
    assert.equal((await pool.run(as("a"), whoAmI)).length, 1);
  }));

Deno.test({
  name: "Pool leaves no timer behind, however often its connections become idle and callers wait",
  sanitizeOps: true,
  fn: () =>
    withPool(target, { max: 1 }, async (pool) => {
      for (let i = 0; i < 10; i++) await Promise.all([pool.run(as("a"), whoAmI), pool.run(as("a"), whoAmI)]);
    }),
});

Deno.test("Pool.end() waits for running scopes and refuses new ones", async () => {
  await withPool(target, {}, async (pool) => {
    const running = pool.run(as("a"), async (tx) => {
      await tx`select pg_sleep(0.1)`;
      return await whoAmI(tx);
    });
    await pause(50);
    const ended = pool.end();
    assert.equal((await failure(pool.run(as("a"), whoAmI))).code, "database_unavailable");
    assert.equal((await running)[0].tenant, "a");
    await ended;
    assert.equal(pool.stats().connections, 0);
  });
});

Deno.test("Pool.run() gives up on a server that does not answer", () =>
  falseServer(() => undefined, (silent) =>
    withPool(silent, { connectMs: 100 }, async (pool) => {
      const error = await failure(pool.run(as("a"), whoAmI));
      assert.equal(error.code, "database_unavailable");
      assert.equal((error.cause as { code: string }).code, "CONNECT_TIMEOUT");
    })));

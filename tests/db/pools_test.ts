// One budget for all pools: least recently used idle connections give way, those in use never.
import assert from "node:assert/strict";
import { Pools } from "../../src/db/pools.ts";
import type { Target } from "../../src/db/pool.ts";
import type { Tx } from "../../src/db/sql.ts";
import { as, database, failure, falseServer, pause } from "./setup.ts";

const target = await database("pools");

/** Targets that are different pools on one database. */
const targets = Array.from({ length: 12 }, (_, i): Target => ({ ...target, applicationName: `pool ${i}` }));

async function withPools(
  options: Partial<ConstructorParameters<typeof Pools>[0]>,
  fn: (pools: Pools) => Promise<void>,
): Promise<void> {
  const pools = new Pools({ maxConnections: 4, perPool: 2, idleMs: 60_000, ...options });
  try {
    await fn(pools);
  } finally {
    await pools.end();
  }
  const { roundTrips: _, ...left } = pools.stats();
  assert.deepEqual(left, { pools: 0, connections: 0, idle: 0, waiting: 0 });
}

const name = (tx: Tx) =>
  tx<{ name: string }>`select current_setting('application_name') as name`.map(([row]) => row.name);
const sleep = (seconds: number) => (tx: Tx) => tx`select pg_sleep(${seconds}::float8)`;

Deno.test("Pools.get() gives one pool for equal targets and another for another login or certificate", () =>
  withPools({}, (pools) => {
    const pool = pools.get(target);
    assert.equal(pools.get({ ...target }), pool);
    assert.equal(pools.get(target), pool);
    for (const change of [{ user: "x" }, { password: "x" }, { database: "x" }, { port: 1 }, { host: "x" }]) {
      assert.notEqual(pools.get({ ...target, ...change }), pool);
    }
    assert.notEqual(pools.get({ ...target, tls: { mode: "require" } }), pool);
    assert.notEqual(pools.get({ ...target, pooler: "transaction" }), pool);
    assert.equal(pools.stats().connections, 0);
    return Promise.resolve();
  }));

Deno.test("Pools serve more databases than there are connections", () =>
  withPools({}, async (pools) => {
    for (let round = 0; round < 3; round++) {
      const names = await Promise.all(targets.map((one) => pools.get(one).run(as("a"), name)));
      assert.deepEqual(names, targets.map((one) => one.applicationName));
      assert.ok(pools.stats().connections <= 4);
      assert.ok(pools.stats().roundTrips >= 12 * (round + 1)); // of forgotten pools too
    }
  }));

Deno.test("Pools close the connection that was idle longest", () =>
  withPools({}, async (pools) => {
    for (const one of targets.slice(0, 4)) await pools.get(one).run(as("a"), name);
    await pools.get(targets[0]).run(as("a"), name); // now the second is the oldest
    await pools.get(targets[4]).run(as("a"), name);
    const open = targets.map((one, i) => pools.get(one).stats().connections > 0 ? i : -1).filter((i) => i >= 0);
    assert.deepEqual(open, [0, 2, 3, 4]);
  }));

Deno.test("Pools never take a connection in use: who finds none waits, and is served when one is given back", () =>
  withPools({ maxConnections: 2, queueMs: 2_000 }, async (pools) => {
    const busy = [0, 1].map((i) => pools.get(targets[i]).run(as("a"), sleep(0.2)));
    await pause(60);
    const start = performance.now();
    const waiting = pools.get(targets[2]).run(as("a"), name);
    assert.equal(await waiting, "pool 2");
    assert.ok(performance.now() - start > 50);
    await Promise.all(busy);
    assert.ok(pools.stats().connections <= 2);
  }));

Deno.test("Pools answer overloaded when the budget stays spent", () =>
  withPools({ maxConnections: 1, queueMs: 500 }, async (pools) => {
    const busy = pools.get(targets[0]).run(as("a"), sleep(1.5));
    await pause(30);
    const error = await failure(pools.get(targets[1]).run(as("a"), name));
    assert.deepEqual([error.code, error.retryAfter], ["overloaded", 1]);
    await busy;
    assert.equal(await pools.get(targets[1]).run(as("a"), name), "pool 1");
  }));

Deno.test("Pools get their budget back from databases that cannot be reached or that hang up", () =>
  withPools(
    { maxConnections: 2, connectMs: 100 },
    (pools) =>
      falseServer((_, __, socket) => void socket.destroy(), async (broken) => {
        for (let i = 0; i < 5; i++) {
          const error = await failure(pools.get({ ...broken, user: `u${i}` }).run(as("a"), name));
          assert.equal(error.code, "database_unavailable");
        }
        assert.equal(await pools.get(target).run(as("a"), name), "bulkhead");
        assert.equal(pools.stats().connections, 1);
      }),
  ));

Deno.test("Pools.drop() ends the pool of one target", () =>
  withPools({}, async (pools) => {
    const pool = pools.get(target);
    await pool.run(as("a"), name);
    await pools.drop(target);
    assert.equal(pools.stats().connections, 0);
    assert.equal((await failure(pool.run(as("a"), name))).code, "database_unavailable");
    assert.equal(await pools.get(target).run(as("a"), name), "bulkhead");
  }));

// What an injected `set_config(…, false)` leaves on a session must not be met by the next guest of the connection. Behind a
// pooler the sessions are the pooler's, which can be told to clear them: see tests/pooler/reset_test.ts.
import assert from "node:assert/strict";
import type { Pool } from "../../src/db/pool.ts";
import type { Tx } from "../../src/db/sql.ts";
import { as, database, failure, looking, withPool } from "./setup.ts";

const target = await database("hands");

/** Settings that the server does not report when they change, with what an attacker may want of them. */
const SETTINGS: Record<string, string> = {
  statement_timeout: "1s",
  lock_timeout: "1ms",
  row_security: "off",
  plan_cache_mode: "force_custom_plan",
  bytea_output: "escape",
  extra_float_digits: "-15",
  default_transaction_isolation: "serializable",
  default_transaction_deferrable: "on",
  enable_indexscan: "off",
  "spy.rows": "kept",
};

const setting = (name: string, value: string) => (tx: Tx) => tx`select set_config(${name}, ${value}, false)`;
const look = (name: string) => (tx: Tx) =>
  tx<{ value: string | null; pid: number }>`select current_setting(${name}, true) as value, pg_backend_pid() as pid`;

async function seen(pool: Pool, tenant: string, name: string): Promise<{ value: string | null; pid: number }> {
  const [row] = await pool.run(as(tenant), look(name));
  return row;
}

/** Each test on one connection, whose backend must stay the same: the session is put in order, not replaced. */
function onOne(work: (pool: Pool) => Promise<void>) {
  return () =>
    withPool(target, { max: 1 }, async (pool) => {
      const { pid } = await seen(pool, "a", "port");
      await work(pool);
      assert.equal((await seen(pool, "a", "port")).pid, pid);
    });
}

for (const name of Object.keys(SETTINGS)) {
  Deno.test(
    `Pool.run() undoes ${name} of one guest for the next one`,
    onOne(async (pool) => {
      const { value } = await seen(pool, "a", name);
      await pool.run(as("a"), setting(name, SETTINGS[name]));
      assert.equal((await seen(pool, "a", name)).value, SETTINGS[name]); // the fault is there, and is its own
      assert.equal((await seen(pool, "b", name)).value || null, value);
      assert.equal((await seen(pool, "a", name)).value || null, value);
    }),
  );
}

const ISOLATION = "transaction_isolation";
const DEFERRABLE = "transaction_deferrable";

Deno.test(
  "Pool.run() begins a transaction of several statements in the isolation that is ours, whatever a guest has left",
  onOne(async (pool) => {
    await pool.run(as("a"), setting("default_transaction_isolation", "serializable"));
    assert.equal((await seen(pool, "a", ISOLATION)).value, "serializable"); // the fault is there
    const values = await pool.run(as("b"), async (tx) => [await look(ISOLATION)(tx), await tx`select 1`]);
    assert.equal((values[0][0] as { value: string }).value, "read committed");
  }),
);

Deno.test(
  "Pool.run() begins a transaction of several statements unmarked, whatever a guest has left",
  onOne(async (pool) => {
    await pool.run(as("a"), setting("default_transaction_deferrable", "on"));
    assert.equal((await seen(pool, "a", DEFERRABLE)).value, "on"); // the fault is there
    const values = await pool.run(as("b"), async (tx) => [await look(DEFERRABLE)(tx), await tx`select 1`]);
    assert.equal((values[0][0] as { value: string }).value, "off");
  }),
);

Deno.test("Pool.run() undoes a search_path, or replaces the connection where the server reports it", () =>
  withPool(target, { max: 1 }, async (pool) => {
    const { value } = await seen(pool, "a", "search_path");
    await pool.run(as("a"), setting("search_path", "pg_temp"));
    assert.equal((await seen(pool, "b", "search_path")).value, value);
  }));

Deno.test(
  "Pool.run() undoes a guest's settings before a transaction of several statements",
  onOne(async (pool) => {
    await pool.run(as("a"), async (tx) => {
      await tx`select 1`;
      await setting("statement_timeout", "59s")(tx);
    });
    const values = await pool.run(as("b"), async (tx) => [await look("statement_timeout")(tx), await tx`select 1`]);
    assert.equal((values[0][0] as { value: string }).value, "0");
  }),
);

Deno.test(
  "Pool.run() undoes a guest's settings again after a visit that was itself undone",
  onOne(async (pool) => {
    await pool.run(as("a"), setting("statement_timeout", "59s"));
    await failure(pool.run(as("b"), (tx) => tx`select 1 / 0`));
    await failure(pool.run(as("b"), async (tx) => {
      await tx`select 1`;
      throw new Error("undo");
    }));
    assert.equal((await seen(pool, "b", "statement_timeout")).value, "0");
  }),
);

Deno.test("Pool.run() uses no connection again on which a visit ended its own transaction", () =>
  withPool(target, { max: 1 }, async (pool) => {
    const { pid } = await seen(pool, "a", "port");
    await failure(pool.run(as("a"), async (tx) => {
      await setting("statement_timeout", "59s")(tx);
      await tx`commit`;
    }));
    const [after] = await pool.run(looking, look("statement_timeout"));
    assert.notEqual(after.pid, pid);
    assert.equal(after.value, "0");
  }));

Deno.test("Pool.run() keeps what a connection was opened with", () =>
  withPool(target, { max: 1 }, async (pool) => {
    const names = ["plan_cache_mode", "TimeZone", "DateStyle", "client_encoding", "application_name"];
    const all = async (tenant: string) => {
      const rows = await pool.run(as(tenant), (tx) =>
        tx<{ setting: string }>`select setting from pg_settings where name = any(${names}::text[]) order by name`);
      return rows.map((row) =>
        row.setting
      );
    };
    const first = await all("a");
    assert.ok(first.includes("force_generic_plan") && first.includes("UTC"));
    await pool.run(as("a"), setting("plan_cache_mode", "auto"));
    assert.deepEqual(await all("b"), first);
  }));

Deno.test(
  "Pool.run() costs no round trip more when the guest changes",
  onOne(async (pool) => {
    for (const tenant of ["a", "a", "b", "a", "b"]) {
      const before = pool.stats().roundTrips;
      await seen(pool, tenant, "port");
      assert.equal(pool.stats().roundTrips, before + 1);
    }
  }),
);

// Pool.run() on sessions of its own: what it does not keep, and why it gets none. Behind a pooler the session is the
// pooler's, and nothing of this holds.
import assert from "node:assert/strict";
import { AppError } from "../../src/errors.ts";
import type { Pool } from "../../src/db/pool.ts";
import { Fragment, type Tx } from "../../src/db/sql.ts";
import { as, database, failure, withPool } from "./setup.ts";

const target = await database("session");

const whoAmI = (tx: Tx) =>
  tx<{ tenant: string; n: number }>`select current_setting('app.tenant_id') as tenant, ${1}::int as n`;

async function backend(pool: Pool): Promise<number> {
  const [{ pid }] = await pool.run(as("a"), (tx) => tx<{ pid: number }>`select pg_backend_pid() as pid`);
  return pid;
}

Deno.test("Pool.run() destroys a connection after an error of the server's state", () =>
  withPool(target, { max: 1 }, async (pool) => {
    await pool.run(as("a"), (tx) =>
      tx`create function raise_state(state text) returns void language plpgsql as $$
        begin raise exception 'no' using errcode = state; end $$`);
    const before = await backend(pool);
    await failure(pool.run(as("a"), (tx) => tx`select 1 / 0`));
    assert.equal(await backend(pool), before);
    for (const state of ["08000", "25001", "53200", "57014", "58030", "XX000"]) {
      const known = await backend(pool);
      const raised = await failure(pool.run(as("a"), (tx) => tx`select raise_state(${state})`));
      assert.equal(raised.code, state);
      assert.notEqual(await backend(pool), known, state);
    }
  }));

Deno.test("Pool.run() destroys a connection after a command that may leave something in the session", () =>
  withPool(target, { max: 1 }, async (pool) => {
    const lasting = [
      "set search_path to pg_catalog",
      "set session characteristics as transaction read only",
      "prepare theirs as select 1",
      "deallocate all",
      "listen theirs",
      "do $$ begin perform 1; end $$",
      "discard plans",
      "select set_config('DateStyle', 'SQL, DMY', false)",
      "select set_config('TimeZone', 'Asia/Tokyo', false)",
    ];
    for (const command of lasting) {
      for (const more of [false, true]) {
        const known = await backend(pool);
        const statement = new Fragment([command], []);
        await pool.run(
          as("a"),
          more ? async (tx) => (await tx`${statement}`, await whoAmI(tx)) : (tx) => tx`${statement}`,
        );
        assert.notEqual(await backend(pool), known, command);
      }
    }
    const known = await backend(pool);
    const harmless = ["select 1", "values (1)", "with x as (select 1) select * from x", "savepoint s"];
    for (const command of harmless) {
      await pool.run(as("a"), async (tx) => (await tx`${new Fragment([command], [])}`, await whoAmI(tx)));
      assert.equal(await backend(pool), known, command);
    }
  }));

Deno.test("Pool.run() says why it cannot connect", async () => {
  const cases: [Partial<typeof target>, string][] = [
    [{ password: "wrong" }, "28P01"],
    [{ database: "nowhere" }, "3D000"],
    [{ port: 1 }, "ECONNREFUSED"],
  ];
  for (const [change, code] of cases) {
    await withPool({ ...target, ...change }, {}, async (pool) => {
      const errors = await Promise.all([1, 2, 3, 4, 5].map(() => failure(pool.run(as("a"), whoAmI))));
      for (const error of errors) {
        assert.ok(error instanceof AppError);
        assert.equal(error.code, "database_unavailable");
        assert.equal((error.cause as { code: string }).code, code);
      }
    });
  }
});

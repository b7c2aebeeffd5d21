// Pool.run() while the schema changes under statements that were prepared before.
import assert from "node:assert/strict";
import { openDirect } from "../../src/db/direct.ts";
import { Fragment, json, type Tx } from "../../src/db/sql.ts";
import { as, database, failure, pause, withPool } from "./setup.ts";

const target = await database("schema");

const whoAmI = (tx: Tx) =>
  tx<{ tenant: string; n: number }>`select current_setting('app.tenant_id') as tenant, ${1}::int as n`;

Deno.test("Pool.run() prepares again, once, when the schema changed under a statement", () =>
  withPool(target, { max: 2 }, async (pool) => {
    await pool.run(as("a"), (tx) => tx`create table changing (id int, doc jsonb)`);
    const insert = (id: number) =>
      pool.run(as("a"), (tx) => tx`insert into changing (id, doc) values (${id}, ${json({ a: [id] })}) returning *`);
    const inTransaction = (id: number) =>
      pool.run(
        as("a"),
        async (tx) => await tx`insert into changing (id, doc) values (${id}, ${json({ a: [id] })}) returning *`,
      );
    await Promise.all([insert(1), insert(2), inTransaction(3)]);
    const direct = await openDirect(target);
    await direct`alter table changing add column more text default 'm'`;
    assert.deepEqual(await insert(4), [{ id: 4, doc: { a: [4] }, more: "m" }]);
    await direct`alter table changing add column again int`;
    await direct.end();
    assert.deepEqual(await inTransaction(5), [{ id: 5, doc: { a: [5] }, more: "m", again: null }]);
    await Promise.all([insert(6), insert(7)]);
    const types = await pool.run(as("a"), (tx) => tx`select distinct jsonb_typeof(doc) as type from changing`);
    assert.deepEqual(types, [{ type: "object" }]);
    const [{ n }] = await pool.run(as("a"), (tx) => tx<{ n: number }>`select count(*)::int as n from changing`);
    assert.equal(n, 7);
  }));

Deno.test("Pool.run() does not send a statement again on another connection that has not heard of the change", () =>
  withPool(target, { max: 2 }, async (pool) => {
    await pool.run(as("a"), (tx) => tx`create table racing (id int)`);
    const insert = () => pool.run(as("a"), (tx) => tx`insert into racing values (1) returning *, pg_sleep(0.02)`);
    await Promise.all([insert(), insert()]); // now both connections have it prepared
    assert.equal(pool.stats().connections, 2);
    let release = () => {};
    const held = pool.run(as("a"), async (tx) => {
      await tx`select 1`;
      await new Promise<void>((resolve) => release = resolve);
    });
    await pause(20);
    const direct = await openDirect(target);
    await direct`alter table racing add column more int`;
    await direct.end();
    const inserted = insert();
    while (pool.stats().opening === 0) await new Promise((resolve) => setImmediate(resolve));
    release(); // the other one becomes free before the new one is open
    await held;
    assert.equal((await inserted).length, 1);
  }));

Deno.test("Pool.run() gives the reason when the schema changed in the middle of a transaction", () =>
  withPool(target, { max: 1 }, async (pool) => {
    await pool.run(as("a"), (tx) => tx`create table moving (id int)`);
    const direct = await openDirect(target);
    const both = (between: () => PromiseLike<unknown>) =>
      pool.run(as("a"), async (tx) => {
        await tx`select 1`;
        await between();
        return await tx`select * from moving`;
      });
    await both(() => Promise.resolve());
    const error = await failure(both(() => direct`alter table moving add column more int`));
    assert.deepEqual([error.code, error.retryAfter], ["overloaded", 1]);
    assert.equal((error.cause as { code: string }).code, "0A000");
    assert.deepEqual(await both(() => Promise.resolve()), []);
    await direct.end();
  }));

Deno.test("Pool.run() survives a session whose prepared statements were thrown away", () =>
  withPool(target, { max: 1 }, async (pool) => {
    await pool.run(as("a"), whoAmI);
    for (const statement of [whoAmI, (tx: Tx) => tx`select 'new' as statement`]) {
      await pool.run(as("a"), (tx) => tx`deallocate all`);
      assert.equal((await pool.run(as("b"), statement)).length, 1);
    }
    assert.deepEqual(await pool.run(as("b"), whoAmI), [{ tenant: "b", n: 1 }]);
  }));

Deno.test("Pool.run() replaces a connection that has prepared too many statements", () =>
  withPool(target, { max: 1 }, async (pool) => {
    const pid = (i: number) =>
      pool.run(
        as("a"),
        (tx) => tx<{ pid: number }>`select pg_backend_pid() as pid, ${new Fragment([`${i}`], [])} as i`,
      );
    const pids = new Set<number>();
    for (let i = 0; i <= 1_002; i++) pids.add((await pid(i))[0].pid);
    assert.equal(pids.size, 2);
  }));

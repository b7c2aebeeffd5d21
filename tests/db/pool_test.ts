// Pool.run(): round trips, values, transactions, refusals; with real PostgreSQL. Runs behind a pooler too.
import assert from "node:assert/strict";
import { ContextStatement, type Pool } from "../../src/db/pool.ts";
import { json, type Query, sql, type Tx } from "../../src/db/sql.ts";
import { as, database, failure, leftover, withPool } from "./setup.ts";

const target = await database("pool");

async function roundTrips(pool: Pool, work: () => PromiseLike<unknown>): Promise<number> {
  const before = pool.stats().roundTrips;
  await work();
  return pool.stats().roundTrips - before;
}

const whoAmI = (tx: Tx) =>
  tx<{ tenant: string; n: number }>`select current_setting('app.tenant_id') as tenant, ${1}::int as n`;

const myPid = (tx: Tx) => tx<{ pid: number }>`select pg_backend_pid() as pid`;

Deno.test("Pool.run() sends a lone statement with its context in one round trip", () =>
  withPool(target, { max: 1 }, async (pool) => {
    const visit = () => pool.run(as("a"), whoAmI);
    assert.equal(await roundTrips(pool, visit), 1); // the first time too: the driver does not describe it before
    assert.equal(await roundTrips(pool, visit), 1);
    const rows = await pool.run(as("b"), whoAmI);
    assert.deepEqual(rows, [{ tenant: "b", n: 1 }]);
    assert.ok(rows.constructor === Array && rows.count === 1);
    const noValues = () => pool.run(as("a"), (tx) => tx`select current_setting('app.tenant_id')`);
    assert.equal(await roundTrips(pool, noValues), 1);
    const mapped = () => pool.run(as("a"), (tx) => whoAmI(tx).map((found) => found[0].tenant));
    assert.equal(await roundTrips(pool, mapped), 1);
    assert.equal(await mapped(), "a");
  }));

Deno.test("Pool.run() needs n + 1 round trips for n statements", () =>
  withPool(target, { max: 1 }, async (pool) => {
    const visit = () =>
      pool.run(as("a"), async (tx) => {
        const [first] = await whoAmI(tx);
        const [second] = await whoAmI(tx);
        assert.deepEqual([first.tenant, second.tenant], ["a", "a"]);
      });
    assert.equal(await roundTrips(pool, visit), 3);
    assert.equal(await roundTrips(pool, visit), 3);
    assert.equal(await roundTrips(pool, () => pool.run(as("a"), () => Promise.resolve())), 0);
    assert.equal(await roundTrips(pool, () => pool.run(as("a"), async (tx) => await whoAmI(tx))), 2);
  }));

Deno.test("Pool.run() reads and writes every kind of value", () =>
  withPool(target, {}, async (pool) => {
    const [row] = await pool.run(as("a"), (tx) =>
      tx`select ${7}::int as int4, ${7n}::int8 as int8, ${"1.50"}::numeric as numeric, ${1.5}::float8 as float8,
        ${true}::bool as bool, ${new Date("2011-12-01T05:00:00Z")}::timestamptz as at, 'infinity'::timestamptz as never,
        '0044-03-15 BC'::timestamptz as ides, ${"2011-12-01"}::date as date, '12:30'::time as time,
        ${json({ a: [1] })}::jsonb as jsonb, ${json("x")}::json as json, ${new Uint8Array([0, 255])}::bytea as bytea,
        ${["a", null, 'q"\\']}::text[] as texts, ${[1, null]}::int[] as ints, ${[1n]}::int8[] as longs,
        ${[]}::uuid[] as uuids, array['{"a":1}'::jsonb] as jsons, ${null}::text as nothing, ${"ü"} as text`);
    assert.deepEqual(row, {
      int4: 7,
      int8: "7",
      numeric: "1.50",
      float8: 1.5,
      bool: true,
      at: "2011-12-01T05:00:00.000Z",
      never: "infinity",
      ides: "0044-03-15 00:00:00+00 BC",
      date: "2011-12-01",
      time: "12:30:00",
      jsonb: { a: [1] },
      json: "x",
      bytea: new Uint8Array([0, 255]),
      texts: ["a", null, 'q"\\'],
      ints: [1, null],
      longs: ["1"],
      uuids: [],
      jsons: [{ a: 1 }],
      nothing: null,
      text: "ü",
    });
  }));

Deno.test("Pool.run() counts affected rows and takes 10,000 rows in one statement", () =>
  withPool(target, {}, async (pool) => {
    await pool.run(as("a"), (tx) => tx`create table bulk (id int, name text)`);
    const ids = Array.from({ length: 10_000 }, (_, i) => i);
    const names = ids.map((i) => i % 3 === 0 ? null : `name "${i}"`);
    const inserted = await pool.run(
      as("a"),
      (tx) => tx`insert into bulk select * from unnest(${ids}::int[], ${names}::text[])`,
    );
    assert.equal(inserted.count, 10_000);
    assert.deepEqual([...inserted], []);
    const where = sql`id = any(${[1, 2, 3]}::int[])`;
    const rows = await pool.run(as("a"), (tx) => tx`select * from bulk where ${where} order by id`);
    assert.deepEqual(rows, [{ id: 1, name: 'name "1"' }, { id: 2, name: 'name "2"' }, { id: 3, name: null }]);
    const updated = await pool.run(as("a"), (tx) => tx`update bulk set name = ${"x"} where ${where}`);
    assert.equal(updated.count, 3);
  }));

const TABLE = sql`counters`;

async function withCounter(pool: Pool, fn: (count: () => Promise<number>) => Promise<void>): Promise<void> {
  await pool.run(as("a"), async (tx) => {
    await tx`create table if not exists ${TABLE} (n int primary key)`;
    await tx`truncate ${TABLE}`;
  });
  await fn(async () => {
    const rows = await pool.run(as("a"), (tx) => tx<{ n: number }>`select count(*)::int as n from ${TABLE}`);
    return rows[0].n;
  });
}

Deno.test("Pool.run() commits all or nothing", () =>
  withPool(target, {}, (pool) =>
    withCounter(pool, async (count) => {
      await pool.run(as("a"), async (tx) => {
        await tx`insert into ${TABLE} values (${1})`;
        await tx`insert into ${TABLE} values (${2})`;
      });
      assert.equal(await count(), 2);
      const thrown = new Error("stop");
      const stopped = pool.run(as("a"), async (tx) => {
        await tx`insert into ${TABLE} values (${3})`;
        throw thrown;
      });
      assert.equal(await failure(stopped), thrown);
      const broken = pool.run(as("a"), async (tx) => {
        await tx`insert into ${TABLE} values (${4})`;
        await tx`insert into ${TABLE} values (${1})`;
      });
      assert.equal((await failure(broken)).code, "23505");
      assert.equal(
        (await failure(pool.run(as("a"), (tx) => tx`insert into ${TABLE} values (${5}), (${5})`))).code,
        "23505",
      );
      assert.equal(await count(), 2);
    })));

Deno.test("Pool.run() rejects when the function hides the error of a statement", () =>
  withPool(target, { max: 1 }, (pool) =>
    withCounter(pool, async (count) => {
      const hidden = pool.run(as("a"), async (tx) => {
        await tx`insert into ${TABLE} values (${1})`;
        await tx`select 1 / ${0}::int`.catch(() => "hidden");
        const refused = await failure(tx`insert into ${TABLE} values (${2})`);
        assert.equal(refused.code, "internal");
        return "done";
      });
      assert.equal((await failure(hidden)).code, "22012");
      assert.equal(await count(), 0);
      assert.equal(pool.stats().connections, 1);
    })));

Deno.test("Pool.run() runs statements that are started together one after another", () =>
  withPool(target, { max: 1 }, async (pool) => {
    const answers = await pool.run(as("a"), (tx) =>
      Promise.all([1, 2, 3].map((n) =>
        tx<{ n: number; tenant: string }>`
        select ${n}::int as n, current_setting('app.tenant_id') as tenant`
      )));
    assert.deepEqual(answers.map(([row]) => row), [1, 2, 3].map((n) => ({ n, tenant: "a" })));
    const failed = pool.run(as("a"), (tx) => Promise.all([tx`select 1 / 0`, tx`select 2`, tx`select 3`]));
    assert.equal((await failure(failed)).code, "22012");
    assert.equal(await leftover(pool), null);
  }));

Deno.test("Pool.run() refuses statements after its scope has ended, and statements never awaited", () =>
  withPool(target, { max: 1 }, (pool) =>
    withCounter(pool, async (count) => {
      let kept: Tx | undefined;
      let late: Query<unknown> | undefined;
      await pool.run(as("a"), (tx) => {
        kept = tx;
        return whoAmI(tx);
      });
      assert.equal((await failure(whoAmI(kept!))).code, "internal");
      const forgotten = pool.run(as("a"), async (tx) => {
        await whoAmI(tx);
        late = tx`insert into ${TABLE} values (1)`;
      });
      assert.match((await failure(forgotten)).message, /never awaited/);
      assert.equal((await failure(late!)).code, "internal");
      assert.equal(await count(), 0);
    })));

/** SQL that is no value. */
const raw = (text: string) => sql(Object.assign([text], { raw: [text] }));

Deno.test("Pool.run() refuses what would leave the transaction that carries the context", () =>
  withPool(target, { max: 1 }, async (pool) => {
    for (
      const leave of ["begin", "start transaction", "commit", "rollback", "commit and chain", "rollback and chain"]
    ) {
      const statement = () => pool.run(as("a"), (tx) => tx`${raw(leave)}`);
      assert.match(
        (await failure(statement())).message,
        /began or ended a transaction|only be used in transaction/,
        leave,
      );
      let later: unknown = null;
      const within = pool.run(as("a"), async (tx) => {
        await whoAmI(tx);
        await tx`${raw(leave)}`.catch(() => {});
        later = await whoAmI(tx).catch(() => null);
      });
      assert.match((await failure(within)).message, /began or ended a transaction/, leave);
      assert.equal(later, null, leave);
      assert.equal(await leftover(pool), null, leave);
    }
    const stacked = await failure(pool.run(as("a"), (tx) => tx`select 1; select 2`));
    assert.equal(stacked.code, "42601");
  }));

Deno.test("Pool.run() refuses COPY and goes on with another connection", () =>
  withPool(target, { max: 1 }, (pool) =>
    withCounter(pool, async () => {
      for (const copy of [sql`copy ${TABLE} from stdin`, sql`copy ${TABLE} to stdout`]) {
        assert.match((await failure(pool.run(as("a"), (tx) => tx`${copy}`))).message, /COPY is not allowed/);
        const later = pool.run(as("a"), async (tx) => {
          await whoAmI(tx);
          await tx`${copy}`;
        });
        assert.match((await failure(later)).message, /COPY is not allowed/);
        assert.equal(await leftover(pool), null);
      }
    })));

Deno.test("Pool.run() leaves no context behind, whatever went wrong", () =>
  withPool(target, { max: 1 }, async (pool) => {
    await pool.run(as("a"), (tx) => tx`create table if not exists checked (n int check (n > 0))`);
    const faults: Record<string, (tx: Tx) => PromiseLike<unknown>> = {
      "a syntax error": (tx) => tx`selec 1`,
      "an error at run time": (tx) => tx`select 1 / ${0}::int`,
      "an error in mid-result": (tx) => tx`select 1 / (500 - n) as x from generate_series(1, 1000) n`,
      "a constraint": (tx) => tx`insert into checked values (${-1})`,
      "a value of another type": (tx) => tx`select ${"abc"}::timestamptz`,
      "a value that cannot be encoded": (tx) => tx`select ${undefined as unknown as null}::int`,
      "too many values": (tx) => tx`select ${sql`${1}`} ${new Array(70_000).fill(1)}`,
      "a thrown error": () => {
        throw new Error("thrown");
      },
      "a raised error": (tx) => tx`do $$ begin raise exception 'no' using errcode = 'BH001'; end $$`,
    };
    const [{ pid }] = await pool.run(as("a"), myPid);
    for (const [name, fault] of Object.entries(faults)) {
      await failure(pool.run(as("a"), fault));
      assert.equal(await leftover(pool), null, name);
      await failure(pool.run(as("a"), async (tx) => await fault(tx)));
      assert.equal(await leftover(pool), null, name);
      await failure(pool.run(as("a"), async (tx) => {
        await whoAmI(tx);
        await fault(tx);
      }));
      assert.equal(await leftover(pool), null, name);
      assert.deepEqual(await pool.run(as("b"), whoAmI), [{ tenant: "b", n: 1 }], name);
      assert.deepEqual(await pool.run(as("a"), myPid), [{ pid }], `${name} costs the connection`);
    }
  }));

Deno.test("Pool.run() keeps rows in place after an error in mid-result", () =>
  withPool(target, { max: 1 }, async (pool) => {
    await failure(pool.run(as("a"), (tx) => tx`select 1 / (500 - n) as x from generate_series(1, 1000) n`));
    assert.deepEqual(await pool.run(as("b"), (tx) => tx`select 1 as x`), [{ x: 1 }]);
  }));

Deno.test("Pool.run() goes on after a context that the database refused", () =>
  withPool(target, { max: 1 }, async (pool) => {
    const statement = new ContextStatement("test_refuse", "select 1 / length($1)", 1);
    const enter = (text: string) => ({ statement, values: () => [text] });
    const [{ pid }] = await pool.run(enter("fine"), myPid);
    for (let i = 0; i < 2; i++) {
      assert.equal((await failure(pool.run(enter(""), myPid))).code, "22012");
      assert.equal((await failure(pool.run(enter(""), async (tx) => await myPid(tx)))).code, "22012");
      assert.deepEqual(await pool.run(enter("fine"), myPid), [{ pid }]);
    }
    const broken = { statement, values: () => [] };
    assert.equal((await failure(pool.run(broken, myPid))).code, "internal");
    assert.deepEqual(await pool.run(enter("fine"), myPid), [{ pid }]);
  }));

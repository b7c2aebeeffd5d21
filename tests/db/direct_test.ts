// openDirect(): all that the driver can do, over one connection that is never opened again by itself.
import assert from "node:assert/strict";
import { openDirect } from "../../src/db/direct.ts";
import { as, database, failure, pause, withPool } from "./setup.ts";

const target = await database("direct");

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

Deno.test("openDirect() refuses a statement timeout behind a pooler, which would refuse the login", async () => {
  const pooled = openDirect({ ...target, pooler: "transaction" }, { statementTimeoutMs: 300 });
  assert.equal((await failure(pooled)).code, "internal");
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

// A transaction that outlives its context's proof: an import of a large file is one transaction of many minutes.
import assert from "node:assert/strict";
import { ContextStatement } from "../../src/db/pool.ts";
import { Connection } from "../../src/db/connection.ts";
import { toStatement, type Value } from "../../src/db/sql.ts";
import { database, pause, withPool } from "./setup.ts";

const target = await database("renewal");

const statement = new ContextStatement("renewal", "select set_config('app.tenant_id', $1, true)", 1);

function text(strings: TemplateStringsArray, ...values: Value[]) {
  return toStatement(strings, values);
}

Deno.test("Connection.within() sends the context again when told to, and the transaction stays one", async () => {
  const connection = await Connection.open(target, {});
  let proof = 0;
  const context = { statement, values: () => [`proof ${++proof}`] };
  const look = text`select current_setting('app.tenant_id') as seen, txid_current()::text as transaction`;
  try {
    const [first] = await connection.enter<{ seen: string; transaction: string }>(context, look, true);
    const [second] = await connection.within<{ seen: string; transaction: string }>(look);
    const [third] = await connection.within<{ seen: string; transaction: string }>(look, context);
    await connection.commit();
    assert.deepEqual([first.seen, second.seen, third.seen], ["proof 1", "proof 1", "proof 2"]);
    assert.equal(third.transaction, first.transaction);
    assert.ok(connection.reusable);
  } finally {
    await connection.wire.close();
  }
});

Deno.test("Pool.run() sends the context again when its proof is no longer fresh, at no round trip of its own", () =>
  withPool(target, { max: 1, renewMs: 40 }, async (pool) => {
    let proof = 0;
    const context = { statement, values: () => [`proof ${++proof}`] };
    const seen = await pool.run(context, async (tx) => {
      const answers: string[] = [];
      for (const wait of [0, 0, 60, 0, 60]) {
        await pause(wait);
        const [row] = await tx<{ seen: string }>`select current_setting('app.tenant_id') as seen`;
        answers.push(row.seen);
      }
      return answers;
    });
    assert.deepEqual(seen, ["proof 1", "proof 1", "proof 2", "proof 2", "proof 3"]);
    assert.equal(pool.stats().roundTrips, 6);
  }));

Deno.test("Pool.run() sends the context again with the commit, where triggers that were put off ask for it", () =>
  withPool(target, { max: 1, renewMs: 40 }, async (pool) => {
    let proof = 0;
    const context = { statement, values: () => [`proof ${++proof}`] };
    const visit = (wait: number) =>
      pool.run(context, async (tx) => {
        await tx`select 1`;
        await pause(wait);
      });
    await visit(0);
    assert.equal(proof, 1);
    await visit(60);
    assert.equal(proof, 3);
    assert.equal(pool.stats().roundTrips, 4);
  }));

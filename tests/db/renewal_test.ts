// A transaction that outlives its context's proof: an import of a large file is one transaction of many minutes.
import assert from "node:assert/strict";
import { ContextStatement } from "../../src/db/pool.ts";
import { Connection } from "../../src/db/connection.ts";
import { toStatement, type Value } from "../../src/db/sql.ts";
import { testServer } from "../support/postgres.ts";

const statement = new ContextStatement("renewal", "select set_config('app.tenant_id', $1, true)", 1);

function text(strings: TemplateStringsArray, ...values: Value[]) {
  return toStatement(strings, values);
}

Deno.test("Connection.within() sends the context again when told to, and the transaction stays one", async () => {
  const { host, port, user, password } = await testServer();
  const connection = await Connection.open({ host, port, user, password, database: "postgres" }, {});
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

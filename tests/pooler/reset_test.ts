// Behind a transaction pooler the sessions are the pooler's: what injected SQL leaves there for the session goes only when the
// pooler is told to clear it, as docs/operations.md says.
import assert from "node:assert/strict";
import { Pool } from "../../src/db/pool.ts";
import { as, database, putBehind } from "../db/setup.ts";
import { poolerIsThere, startPooler } from "./pgbouncer.ts";

/** What the next guest meets of a setting that the one before left on the same backend. */
async function met(more: string[]): Promise<{ left: string; sameBackend: boolean }> {
  const pooler = await startPooler(["default_pool_size = 1", ...more]);
  putBehind(pooler);
  const pool = new Pool(await database("reset"), { max: 1 });
  try {
    const [before] = await pool.run(
      as("a"),
      (tx) => tx<{ pid: number }>`select set_config('statement_timeout', '59s', false), pg_backend_pid() as pid`,
    );
    const [after] = await pool.run(
      as("b"),
      (tx) =>
        tx<{ left: string; pid: number }>`select current_setting('statement_timeout') as left, pg_backend_pid() as pid`,
    );
    return { left: after.left, sameBackend: after.pid === before.pid };
  } finally {
    await pool.end();
    await pooler.stop();
  }
}

if (poolerIsThere()) {
  Deno.test("a pooler told to clear its sessions leaves the next guest no setting, and only then", async () => {
    const cleared = await met(["server_reset_query = discard all", "server_reset_query_always = 1"]);
    assert.deepEqual(cleared, { left: "0", sameBackend: true });
    assert.deepEqual(await met([]), { left: "59s", sameBackend: true });
  });
}

// PostgreSQL is restarted, and crashes, under load: the process and its pool live on.
import assert from "node:assert/strict";
import { openDirect } from "../../src/db/direct.ts";
import type { Tx } from "../../src/db/sql.ts";
import { startCluster } from "../../src/embedded/cluster.ts";
import { AppError } from "../../src/errors.ts";
import { as, failure, pause, withPool } from "./setup.ts";

const myPid = (tx: Tx) => tx<{ pid: number }>`select pg_backend_pid() as pid`;

Deno.test("Pool.run() and openDirect() survive a restart and a crash of PostgreSQL under load", async () => {
  const dir = await Deno.makeTempDir({ prefix: "bulkhead-test-" });
  const cluster = await startCluster({ dir, name: "restarted", superuserPassword: "restart", fast: true });
  try {
    await withPool({ ...cluster.superuser }, { max: 4, queueMs: 60_000 }, async (pool) => {
      const direct = await openDirect(cluster.superuser);
      const seen = new Set<string>();
      let wrong = 0, stop = false;
      const load = Array.from({ length: 8 }, async (_, i) => {
        while (!stop) {
          const one = (tx: Tx) => tx<{ t: string }>`select current_setting('app.tenant_id') as t, pg_sleep(0.002)`;
          const work = i % 2 ? one : async (tx: Tx) => (await one(tx), await one(tx));
          try {
            const [row] = await pool.run(as(`t${i}`), work);
            if (row.t !== `t${i}`) wrong++;
          } catch (error) {
            seen.add(error instanceof AppError ? error.code : String(error));
            await pause(20);
          }
        }
      });
      await pause(150);
      await cluster.restart();
      await pause(150);
      await cluster.kill();
      await pause(100);
      await cluster.restart();
      const again = performance.now();
      while (await pool.run(as("after"), myPid).then(() => false, () => true)) {
        assert.ok(performance.now() - again < 5_000);
        await pause(20);
      }
      stop = true;
      await Promise.all(load);
      assert.equal(wrong, 0);
      assert.deepEqual([...seen], ["database_unavailable"]);
      assert.equal((await failure(direct`select 1`)).code, "08006");
      await direct.end();
    });
  } finally {
    await cluster.stop();
    await Deno.remove(dir, { recursive: true });
  }
});

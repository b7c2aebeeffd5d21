// The pool's own suite once more, behind a transaction pooler: what holds on a session of one's own holds there.
import { putBehind } from "../db/setup.ts";
import { poolerIsThere, startPooler } from "./pgbouncer.ts";

if (poolerIsThere()) {
  const pooler = await startPooler();
  Deno.test.afterAll(() => pooler.stop());
  putBehind(pooler);
  await import("../db/pool_test.ts");
  await import("../db/pool_limits_test.ts");
  await import("../db/doors_test.ts");
  await import("../db/renewal_test.ts");
  await import("../db/faults_test.ts");
}

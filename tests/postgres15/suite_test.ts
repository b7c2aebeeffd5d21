// What the database itself has to keep, once more on PostgreSQL 15: the rollout and its proof, each fault that the proof has
// to find, the access matrix of every table, what a customer's server is asked, and what one tenant may leave on a session to the
// next.
import { onPostgres15 } from "./programs.ts";

if (onPostgres15()) {
  await import("../proof/rollout_test.ts");
  await import("../proof/faults_test.ts");
  await import("../access/tables_test.ts");
  await import("../access/unit_rows_test.ts");
  await import("../platform/byo_test.ts");
  await import("../sql/comments_test.ts");
  await import("../db/hands_test.ts");
}

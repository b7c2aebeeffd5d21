// People read the schema in a dashboard: every table and column of ours says there what it is.
import assert from "node:assert/strict";
import { bootApp } from "../support/app.ts";
import { adminSql } from "../support/postgres.ts";

Deno.test("every table and column carries a comment", async () => {
  const app = await bootApp({ worker: false });
  const { platformDatabase, sharedDatabase } = app.services.servers.settings;
  try {
    for (const database of [platformDatabase, sharedDatabase]) {
      const sql = await adminSql(database);
      const silent = await sql`
        select c.oid::regclass::text || coalesce('.' || a.attname, '') as name
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
          left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where n.nspname in ('platform', 'tenant', 'reference', 'app') and c.relkind in ('r', 'p', 'v')
          and (obj_description(c.oid) is null or col_description(c.oid, a.attnum) is null)`;
      await sql.end();
      assert.deepEqual(silent.map((row) => row.name), [], `without a comment in ${database}`);
    }
  } finally {
    await app.stop();
  }
});

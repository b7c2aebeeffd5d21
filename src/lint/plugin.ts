// The rules of `deno lint` against misuse of tenancy. Each file says what its rule is for and, at its top, which files it
// leaves alone and why.
import { noQueryOutsideDoor } from "./no_query_outside_door.ts";
import { noRawPool } from "./no_raw_pool.ts";
import { noTemplateSqlString } from "./no_template_sql_string.ts";
import { noTenantIdInSchema } from "./no_tenant_id_in_schema.ts";
import { noUnsafe } from "./no_unsafe.ts";

/** `lint.plugins` in deno.json names this file. */
const plugin: Deno.lint.Plugin = {
  name: "bulkhead",
  rules: {
    "no-query-outside-door": noQueryOutsideDoor,
    "no-raw-pool": noRawPool,
    "no-template-sql-string": noTemplateSqlString,
    "no-tenant-id-in-schema": noTenantIdInSchema,
    "no-unsafe": noUnsafe,
  },
};

export default plugin;

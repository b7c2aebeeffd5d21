// bulkhead/no-unsafe: text goes to a database as it is only in files that are named here, where no value of a caller
// comes near it. Everywhere else a value in a template is a parameter.
import { type Allowed, isAllowed, nameOf } from "./source.ts";

/** Who may send text as it is, and why. The architecture test reads this list too. */
export const UNSAFE: Allowed = {
  "src/db/connection.ts": "the one place where a checked statement is handed to the driver",
  "src/db/migrate.ts": "migrations are SQL files",
  "src/db/rollout.ts": "policies are SQL files; roles and databases have no parameters",
  "src/platform/fleet/deploy.ts": "names of databases and roles have no parameters",
  "src/cli/local.ts": "makes the role and database that the demo's customer brings",
  "src/demo/isolation.ts": "asks every table of the catalogue, by name",
  "src/bench/wall/": "makes roles and indexes, and explains, on a server of its own",
  "src/prove/": "asks and attacks every table of the catalogue, by name",
  "src/testing/route_leaks.ts": "asks every table of the catalogue, by name",
  "src/testing/platform.ts": "names of databases and roles have no parameters",
};

/** Finds calls of `.unsafe()`. */
export const noUnsafe: Deno.lint.Rule = {
  create(context) {
    if (isAllowed(context, UNSAFE)) return {};
    return {
      CallExpression(node) {
        const { callee } = node;
        if (callee.type !== "MemberExpression" || nameOf(callee.property, callee.computed) !== "unsafe") return;
        context.report({
          node,
          message: "This sends text to the database as it is: write tx`…`, where each value in ${} is a parameter",
          hint: "A piece of SQL that varies is made with sql`…`; see src/db/sql.ts",
        });
      },
    };
  },
};

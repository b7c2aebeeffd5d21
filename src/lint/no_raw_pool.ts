// bulkhead/no-raw-pool: connections and pools are held only where it is named here. Everything else has the doors, which
// say for each transaction who acts in which tenant.
import { type Allowed, isAllowed } from "./source.ts";

/** Who may hold a connection or a pool itself, past the doors, and why (R5). The architecture test reads this list too. */
export const PAST_THE_DOORS: Allowed = {
  "src/services.ts": "makes the process's pools and hands them to the doors",
  "src/tenancy/invalidation.ts": "listens for what changed, as the platform's login; reads nothing",
  "src/platform/fleet/deploy.ts": "rollouts of our own server",
  "src/platform/placements/connect.ts": "rollouts of placements, as migrator or the customer's administrator",
  "src/platform/placements/examine.ts": "looks at a customer's server before approval",
  "src/cli/db.ts": "reads the history of migrations as administrator",
  "src/cli/local.ts": "makes the customer's database of the demo",
  "src/demo/isolation.ts": "attacks as the run-time login, past the doors on purpose",
  "src/bench/main.ts": "counts round trips of a pool of its own",
  "src/bench/access/": "counts round trips of pools of its own, and fills a server of its own",
  "src/bench/wall/": "measures connections and drivers themselves, on a server of its own",
  "src/prove/": "attacks as the run-time login, past the doors on purpose",
  "src/testing/fresh.ts": "makes the databases of tests",
  "src/testing/platform.ts": "makes and drops the databases of tests",
};

const ALLOWED: Allowed = { "src/db/": "is what lies behind the doors", ...PAST_THE_DOORS };

const RAW = /(^postgres$|^npm:postgres@|\/db\/(direct|connection|wire\w*|pools?)\.ts$)/;

const MESSAGE = "Connections and pools know no tenant: use asTenant() or asPlatform(), which give a transaction";
const HINT = "What must go past the doors is named, with its reason, in src/lint/no_raw_pool.ts";

/** Finds imports of the driver, of pools and of connections; types may be imported anywhere. */
export const noRawPool: Deno.lint.Rule = {
  create(context) {
    if (isAllowed(context, ALLOWED)) return {};
    const look = (node: Deno.lint.Node, source: Deno.lint.Node | null) => {
      if (source?.type !== "Literal" || typeof source.value !== "string" || !RAW.test(source.value)) return;
      context.report({ node, message: MESSAGE, hint: HINT });
    };
    return {
      ImportDeclaration(node) {
        const named = node.specifiers;
        const types = named.length > 0 &&
          named.every((one) => one.type === "ImportSpecifier" && one.importKind === "type");
        if (node.importKind !== "type" && !types) look(node, node.source);
      },
      ExportNamedDeclaration(node) {
        if (node.exportKind !== "type") look(node, node.source);
      },
      ExportAllDeclaration(node) {
        if (node.exportKind !== "type") look(node, node.source);
      },
      ImportExpression(node) {
        look(node, node.source);
      },
    };
  },
};

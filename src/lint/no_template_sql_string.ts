// bulkhead/no-template-sql-string: `tx` and `sql` are tags, never functions. A call would take a string that was put
// together before, with the caller's values already in it.
import { type Allowed, isAllowed } from "./source.ts";

const ALLOWED: Allowed = {
  "src/queue/queue.ts": "hands the statements of pg-boss over, whose values are apart from their text",
  "src/prove/": "`sql` is the text of an attack there",
  "src/platform/placements/connect.ts": "quotes the name of a role with the driver's own client, in a rollout",
};

/** Finds calls of `tx(…)` and `sql(…)`. */
export const noTemplateSqlString: Deno.lint.Rule = {
  create(context) {
    if (isAllowed(context, ALLOWED)) return {};
    return {
      CallExpression(node) {
        const { callee } = node;
        if (callee.type !== "Identifier" || callee.name !== "tx" && callee.name !== "sql") return;
        const { name } = callee;
        context.report({
          node,
          message: `Write ${name}\`…\`, not ${name}(…): only in a template is every value a parameter`,
        });
      },
    };
  },
};

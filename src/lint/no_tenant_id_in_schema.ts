// bulkhead/no-tenant-id-in-schema: no request of the tenant plane says whose rows it means. The tenant is what the caller
// signed in to; a schema that took it from a body or a query would let a caller name another.
import { type Allowed, isAllowed, nameOf, pathOf } from "./source.ts";

const ALLOWED: Allowed = {
  "src/platform/": "operators name the tenants that they look after",
  "src/identity/": "tokens say which tenant they are for",
  "src/http/": "takes tenants from host, path, header and token, and holds them against each other",
  "src/tenancy/": "knows tenants by their ids",
};

const NAMES = ["tenant_id", "tenantId"];
const OBJECTS = ["object", "strictObject", "looseObject", "extend", "safeExtend", "merge"];

/** Finds the keys `tenant_id` and `tenantId` in schemas of zod, and in any object of a `model.ts`. */
export const noTenantIdInSchema: Deno.lint.Rule = {
  create(context) {
    if (isAllowed(context, ALLOWED)) return {};
    const isModel = /(^|\/)model\.ts$/.test(pathOf(context));
    return {
      Property(node) {
        const name = nameOf(node.key, node.computed);
        if (!name || !NAMES.includes(name) || node.parent.type !== "ObjectExpression") return;
        if (!isModel && !comesFromZod(node.value) && !isShape(node.parent)) return;
        context.report({
          node,
          message: `A caller cannot be asked for "${name}": the tenant is the one that the caller signed in to`,
          hint: "Leave it out; call.asTenant() enters that tenant, and the database sets the column",
        });
      },
    };
  },
};

/** Whether an object is what `z.object()` and the like are made of. */
function isShape({ parent }: Deno.lint.ObjectExpression): boolean {
  return parent.type === "CallExpression" && parent.callee.type === "MemberExpression" &&
    OBJECTS.includes(nameOf(parent.callee.property, parent.callee.computed) ?? "");
}

/** Whether a value is `z.uuid()`, `z.string().min(1)` and the like. */
function comesFromZod(node: Deno.lint.Node): boolean {
  if (node.type === "CallExpression") return comesFromZod(node.callee);
  if (node.type === "MemberExpression") return comesFromZod(node.object);
  return node.type === "Identifier" && node.name === "z";
}

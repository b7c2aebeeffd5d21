// bulkhead/no-query-outside-door: the transaction that a door gives ends with the door's function. Kept for later it
// would be used outside of it, where it refuses; or, worse, inside of the next one. Only what is simply seen is found.
import { type Allowed, isAllowed, isFunction, isTransaction } from "./source.ts";

const ALLOWED: Allowed = {
  "src/db/": "is what makes transactions",
  "src/http/call.ts": "keeps the transaction of an idempotent create while the handler runs inside it",
};

const KEEPERS = ["push", "unshift", "set", "add"];

const KEPT = "The transaction ends with the function of its door: use it there, and give back what it found";
const OUTSIDE = "This query is in no door: take `tx` as the first parameter, or open a door with asTenant()";

/** Finds transactions that are assigned, returned or collected, and queries on a `tx` that no function around takes. */
export const noQueryOutsideDoor: Deno.lint.Rule = {
  create(context) {
    if (isAllowed(context, ALLOWED)) return {};
    const keeps = (node: Deno.lint.Node, value: Deno.lint.Node | null | undefined) => {
      if (holds(value, context)) context.report({ node, message: KEPT });
    };
    return {
      AssignmentExpression: (node) => keeps(node, node.right),
      VariableDeclarator: (node) => keeps(node, node.init),
      PropertyDefinition: (node) => keeps(node, node.value),
      ReturnStatement: (node) => keeps(node, node.argument),
      ArrowFunctionExpression: (node) => keeps(node, node.body),
      CallExpression(node) {
        const { callee } = node;
        if (callee.type !== "MemberExpression" || callee.property.type !== "Identifier") return;
        if (KEEPERS.includes(callee.property.name)) node.arguments.forEach((argument) => keeps(node, argument));
      },
      TaggedTemplateExpression(node) {
        const { tag } = node;
        if (tag.type !== "Identifier" || tag.name !== "tx") return;
        if (!comesFromAround(node, context)) context.report({ node, message: OUTSIDE });
      },
    };
  },
};

/** Whether a value is a transaction, or an object or a list with one in it. */
function holds(value: Deno.lint.Node | null | undefined, context: Deno.lint.RuleContext): boolean {
  if (value?.type === "ObjectExpression") {
    return value.properties.some((one) => one.type === "Property" && holds(one.value, context));
  }
  if (value?.type === "ArrayExpression") return value.elements.some((one) => holds(one, context));
  return isTransaction(value, context);
}

/** Whether `tx` is a parameter of a function around, or made by a statement of one: `const tx = …`. */
function comesFromAround(node: Deno.lint.Node, context: Deno.lint.RuleContext): boolean {
  return context.sourceCode.getAncestors(node).some((around) => {
    if (isFunction(around)) return around.params.some(isNamedTx);
    return around.type === "BlockStatement" &&
      around.body.some((statement) =>
        statement.type === "VariableDeclaration" && statement.kind === "const" &&
        statement.declarations.some(({ id }) => isNamedTx(id))
      );
  });
}

function isNamedTx(node: Deno.lint.Node | Deno.lint.Parameter): boolean {
  return node.type === "Identifier" && node.name === "tx";
}

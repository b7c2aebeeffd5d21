// What the rules share: which file is linted, and small questions about its syntax tree.

const ROOT = decodeURIComponent(new URL("../../", import.meta.url).pathname);

/** Files or folders that a rule leaves alone, and why; a folder ends with a slash. */
export type Allowed = Record<string, string>;

/** Tests look behind the curtain on purpose: no rule here is about them. */
const TESTS = /(^|\/)tests\/|_test\.tsx?$/;

/** The path of the linted file from the root of the project, with forward slashes. */
export function pathOf(context: Deno.lint.RuleContext): string {
  const path = context.filename.replaceAll("\\", "/");
  return path.startsWith(ROOT) ? path.slice(ROOT.length) : path;
}

/** The entry of a list that a path falls under, if there is one. */
export function entryFor(path: string, list: Allowed): string | undefined {
  return Object.keys(list).find((entry) => entry.endsWith("/") ? path.startsWith(entry) : path === entry);
}

/** Whether a rule leaves the linted file alone. */
export function isAllowed(context: Deno.lint.RuleContext, allowed: Allowed): boolean {
  const path = pathOf(context);
  return TESTS.test(path) || entryFor(path, allowed) !== undefined;
}

/** A node that is a function. */
export type FunctionNode =
  | Deno.lint.FunctionDeclaration
  | Deno.lint.FunctionExpression
  | Deno.lint.ArrowFunctionExpression;

/** Whether a node is a function with a body of its own. */
export function isFunction(node: Deno.lint.Node): node is FunctionNode {
  return ["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"].includes(node.type);
}

/** Whether a node is the transaction that a door gives: a parameter named `tx`, or one of type `Tx`, of a function around it. */
export function isTransaction(node: Deno.lint.Node | null | undefined, context: Deno.lint.RuleContext): boolean {
  if (node?.type !== "Identifier") return false;
  return context.sourceCode.getAncestors(node).filter(isFunction).some(({ params }) =>
    params.some((parameter) =>
      parameter.type === "Identifier" && parameter.name === node.name &&
      (parameter.name === "tx" || typeName(parameter) === "Tx")
    )
  );
}

function typeName({ typeAnnotation }: Deno.lint.Identifier): string | undefined {
  const type = typeAnnotation?.typeAnnotation;
  return type?.type === "TSTypeReference" && type.typeName.type === "Identifier" ? type.typeName.name : undefined;
}

/** The name of a property or member where it can be read: `a.name`, `a["name"]`, `{ name: … }`, `{ "name": … }`. */
export function nameOf(key: Deno.lint.Node, computed: boolean): string | undefined {
  if (key.type === "Identifier" && !computed) return key.name;
  return key.type === "Literal" && typeof key.value === "string" ? key.value : undefined;
}

// The operations of the API as its own document describes them, and a valid request for each, made from its schemas: what
// is refused of it is refused for who sends it. An operation that is added later is tested by existing.
// deno-lint-ignore-file no-explicit-any -- an OpenAPI document as it came
import { personId } from "../tenancy/external/person.ts";

/** Who may call. */
export type Audience = "anyone" | "members" | "operators";

/** One operation. */
export interface Operation {
  id: string;
  method: string;
  /** With `{id}` and the like. */
  path: string;
  audience: Audience;
  /** Whether it happens inside a tenant. */
  inTenant: boolean;
  /** The operators' roles that may call; null: all. */
  roles: string[] | null;
  /** The permission that callers in a tenant need; null: none. */
  permission: string | null;
  /** A valid query, with its question mark, or nothing. */
  query: string;
  body: { type: string; value: unknown } | null;
}

/** Values that no schema gives away, by the name of the property. */
const VALUES: Record<string, unknown> = {
  time_zone: "America/Toronto",
  currency: "CAD",
  refresh_token: `${crypto.randomUUID()}.bhr_none`,
};

/** Bodies whose rules no schema tells. */
const BODIES: Record<string, unknown> = {
  "reports.create": { kind: "usage", month: "2011-12" },
};

const TEXTS = ["Some text", "CA", "CAD", "2011-12", "2011-12-01", "12:30", "1", "123456", "a-slug", "x".repeat(40)];

/** All operations of a document. */
export function readOperations(document: any): Operation[] {
  return Object.entries<any>(document.paths).flatMap(([path, item]) =>
    Object.entries<any>(item).map(([method, operation]) => ({
      id: operation.operationId,
      method: method.toUpperCase(),
      path,
      audience: audienceOf(operation),
      inTenant: (operation.parameters ?? []).some((one: any) => one.name === "x-tenant"),
      roles: WHO.exec(operation.description ?? "")?.[2]?.split(" or ") ?? null,
      permission: WHO.exec(operation.description ?? "")?.[3] ?? null,
      query: queryOf(document, operation),
      body: bodyOf(document, operation),
    }))
  );
}

/** Collections that are not called as their table is. */
const TABLES: Record<string, string> = { visits: "impersonations" };

/** The name of the table whose row a path is about: what stands before its parameter. */
export function tableOf(path: string): string {
  const segment = path.split("/{")[0].split("/").pop()!.replaceAll("-", "_");
  return TABLES[segment] ?? segment;
}

/** What a path calls a row by. */
export function nameOf(row: Record<string, string | null>): string | null {
  const { tenant_id: tenantId, provider_id: providerId, subject } = row;
  if (tenantId && providerId && subject) return personId(tenantId, providerId, subject);
  return row.id ?? row.key ?? row.seq ?? null;
}

const WHO = /(?:^|\n)For (members|operators)(?: with the role ([a-z_ ]+)| with the permission `([a-z_.]+)`)?\.$/;

function audienceOf(operation: any): Audience {
  if (!operation.security?.length) return "anyone";
  const audience = WHO.exec(operation.description ?? "")?.[1];
  if (!audience) throw new Error(`The document does not say who may call "${operation.operationId}"`);
  return audience as Audience;
}

function queryOf(document: any, operation: any): string {
  const given = (operation.parameters ?? []).filter((one: any) => one.in === "query" && one.required)
    .map((one: any) => [one.name, String(one.example ?? valueOf(document, one.schema, one.name))]);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

function bodyOf(document: any, operation: any): Operation["body"] {
  const content = operation.requestBody?.content;
  if (!content) return null;
  const type = Object.keys(content)[0];
  if (type !== "application/json") return { type, value: "a,b\n" };
  const { schema } = content[type];
  return { type, value: BODIES[operation.operationId] ?? valueOf(document, schema, "body") };
}

/** A value that a schema takes. Throws for a text whose pattern none of the known ones fits. */
export function valueOf(document: any, schema: any, name: string): unknown {
  if (schema.$ref) return valueOf(document, resolve(document, schema.$ref), name);
  if (name in VALUES) return VALUES[name];
  for (const known of [schema.example, schema.const, schema.enum?.[0], schema.default]) {
    if (known !== undefined) return known;
  }
  const choice = schema.anyOf ?? schema.oneOf;
  if (choice) return valueOf(document, choice.find((one: any) => one.type !== "null"), name);
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  if (type === "object") return objectOf(document, schema);
  if (type === "array") {
    return Array.from({ length: schema.minItems ?? 0 }, () => valueOf(document, schema.items, name));
  }
  if (type === "integer" || type === "number") return schema.minimum ?? 1;
  if (type === "boolean") return false;
  return textOf(schema, name);
}

/** What is required; where nothing is, as in a change, the first property. */
function objectOf(document: any, schema: any): unknown {
  const all = Object.keys(schema.properties ?? {});
  const wanted = schema.required?.length ? schema.required : all.slice(0, 1);
  return Object.fromEntries(wanted.map((name: string) => [name, valueOf(document, schema.properties[name], name)]));
}

function textOf(schema: any, name: string): string {
  const formats: Record<string, string> = {
    uuid: crypto.randomUUID(),
    email: "nobody@example.test",
    date: "2011-12-01",
    "date-time": "2011-12-01T00:00:00Z",
    uri: "https://example.test/",
  };
  if (formats[schema.format]) return formats[schema.format];
  const fits = (text: string) =>
    (!schema.pattern || new RegExp(schema.pattern, "u").test(text)) &&
    text.length >= (schema.minLength ?? 0) && text.length <= (schema.maxLength ?? Infinity);
  const found = TEXTS.find(fits);
  if (found === undefined) throw new Error(`Teach src/prove/operations.ts a text for "${name}": ${schema.pattern}`);
  return found;
}

function resolve(document: any, reference: string): any {
  return reference.replace(/^#\//, "").split("/").reduce((at: any, part: string) => at[part], document);
}

// Values that a JSON schema of the OpenAPI document allows, made at random.
import type { Random } from "../support/random.ts";

// deno-lint-ignore no-explicit-any -- a document as it came
export type Schema = any;

/** Makes values for the schemas of one document. */
export class ValidValues {
  /** @param ids Ids of rows that are there, which some values use. */
  constructor(readonly document: Schema, readonly random: Random, readonly ids: readonly string[]) {}

  /** An id, of a row that is there or of none. */
  id(): string {
    return this.ids.length && this.random.chance(0.5) ? this.random.pick(this.ids) : randomId(this.random);
  }

  /** A value that the schema allows, or nearly: patterns are met by examples only. */
  valid(given: Schema, depth: number): unknown {
    const { random } = this;
    const schema = this.#resolve(given);
    if (schema.example !== undefined) return schema.example;
    if (schema.default !== undefined && random.chance(0.5)) return schema.default;
    if (schema.const !== undefined) return schema.const;
    if (schema.enum) return random.pick(schema.enum);
    const choice = schema.anyOf ?? schema.oneOf;
    if (choice) return this.valid(random.pick(choice), depth + 1);
    if (schema.allOf) return Object.assign({}, ...schema.allOf.map((part: Schema) => this.valid(part, depth + 1)));
    const type = Array.isArray(schema.type) ? random.pick(schema.type) : schema.type;
    if (type === "object") return this.#object(schema, depth);
    if (type === "array") return depth > 4 ? [] : [this.valid(schema.items ?? {}, depth + 1)];
    if (type === "integer" || type === "number") return (schema.minimum ?? 1) + random.below(5);
    if (type === "boolean") return random.chance(0.5);
    if (type === "null") return null;
    return this.#string(schema);
  }

  #object(schema: Schema, depth: number): Record<string, unknown> {
    const entries = Object.entries<Schema>(schema.properties ?? {})
      .filter(([name]) => schema.required?.includes(name) || (depth < 4 && this.random.chance(0.5)));
    return Object.fromEntries(entries.map(([name, inner]) => [name, this.valid(inner, depth + 1)]));
  }

  #string(schema: Schema): string {
    const { random } = this;
    if (schema.format === "uuid") return this.id();
    if (schema.format === "date") return `2011-12-${10 + random.below(20)}`;
    if (schema.format === "date-time") return "2011-12-01T05:00:00Z";
    if (schema.format === "email") return `m${random.below(1e9)}@fuzz.test`;
    return `text ${random.below(1e9)}`.slice(0, schema.maxLength ?? 50).padEnd(schema.minLength ?? 0, "x");
  }

  #resolve(schema: Schema): Schema {
    if (!schema?.$ref) return schema ?? {};
    return schema.$ref.replace(/^#\//, "").split("/").reduce((at: Schema, part: string) => at[part], this.document);
  }
}

function randomId(random: Random): string {
  const hex = Array.from({ length: 32 }, () => random.below(16).toString(16)).join("");
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-7$3-8$4-$5");
}

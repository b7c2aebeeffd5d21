// Malformed requests made from the OpenAPI document: a request that the document allows, then one to three things wrong
// with it. What is wrong comes from lists of values that servers are known to stumble over.
import type { Random } from "../support/random.ts";
import { NASTY, ODD } from "./nasty.ts";
import { type Schema, ValidValues } from "./valid_values.ts";

/** An operation of the document. */
export interface Operation {
  id: string;
  method: string;
  path: string;
  parameters: { name: string; in: string; schema: Schema }[];
  body?: { type: string; schema: Schema };
  security: boolean;
}

/** A request as it is sent. */
export interface Malformed {
  operation: string;
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: string | Uint8Array<ArrayBuffer>;
}

const TYPES = ["text/plain", "application/xml", "", "application/json; charset=utf-16", "multipart/form-data", "a/b/c"];
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND"];

/** The operations of a document. */
export function operationsOf(document: Schema): Operation[] {
  const found: Operation[] = [];
  for (const [path, item] of Object.entries<Schema>(document.paths)) {
    for (const [method, operation] of Object.entries<Schema>(item)) {
      const [body] = Object.entries<Schema>(operation.requestBody?.content ?? {});
      found.push({
        id: operation.operationId,
        method: method.toUpperCase(),
        path,
        parameters: operation.parameters ?? [],
        ...(body && { body: { type: body[0], schema: body[1].schema } }),
        security: (operation.security ?? []).length > 0,
      });
    }
  }
  return found;
}

/** Makes requests for one document; `ids` are ids of rows that are there, which some requests use. */
export class Generator {
  readonly #values: ValidValues;

  constructor(document: Schema, readonly random: Random, ids: readonly string[]) {
    this.#values = new ValidValues(document, random, ids);
  }

  /** A request that is wrong in one to three ways; `token` is who may call the operation. */
  make(operation: Operation, token: string): Malformed {
    const { random } = this;
    const query = this.#query(operation);
    const request = {
      operation: operation.id,
      method: operation.method,
      path: operation.path.replace(/\{(\w+)\}/g, () => encodeURIComponent(this.#values.id())),
      headers: (operation.security ? { authorization: `Bearer ${token}` } : {}) as Record<string, string>,
      query,
      value: operation.body && this.#values.valid(operation.body.schema, 0),
      raw: undefined as string | Uint8Array<ArrayBuffer> | undefined,
    };
    if (operation.body) request.headers["content-type"] = operation.body.type;
    for (let wrongs = 1 + random.below(3); wrongs > 0; wrongs--) this.#spoil(request, operation);
    const text = request.query.map(([name, value]) => `${name}=${value}`).join("&");
    const body = request.raw ?? (operation.body && textOf(operation.body.type, request.value));
    const bodyless = ["GET", "HEAD"].includes(request.method);
    return {
      operation: request.operation,
      method: request.method,
      path: text ? `${request.path}?${text}` : request.path,
      headers: request.headers,
      ...(!bodyless && body !== undefined && { body }),
    };
  }

  #query(operation: Operation): [string, string][] {
    const wanted = operation.parameters.filter((p) => p.in === "query" && this.random.chance(0.4));
    return wanted.map((p) => [p.name, encodeURIComponent(String(this.#values.valid(p.schema, 0)))]);
  }

  // deno-lint-ignore no-explicit-any -- a request in the making
  #spoil(request: any, operation: Operation): void {
    const { random } = this;
    const kinds = ["query", "query", "header", "method", ...(operation.path.includes("{") ? ["path", "path"] : [])];
    if (operation.body) kinds.push("body", "body", "body", "body", "raw", "type");
    switch (random.pick(kinds)) {
      case "query":
        return void request.query.push([
          this.#name(operation),
          random.pick([this.#encoded(), "%", "%ff", "%ED%A0%80", "%00"]),
        ]);
      case "header":
        return this.#spoilHeader(request.headers);
      case "method":
        return void (request.method = random.pick(METHODS));
      case "path":
        return void (request.path = operation.path.replace(/\{(\w+)\}/g, () => this.#encoded() || "%20"));
      case "type":
        return void (request.headers["content-type"] = random.pick(TYPES));
      case "raw":
        return void (request.raw = this.#raw(textOf(operation.body!.type, request.value)));
      default:
        request.value = this.#spoilValue(request.value);
    }
  }

  #spoilHeader(headers: Record<string, string>): void {
    const value = this.random.pick(NASTY).replace(/[^\x20-\x7e\xa0-\xff]/g, "?").slice(0, 4_000);
    const names = [
      "x-tenant",
      "idempotency-key",
      "authorization",
      "accept",
      "x-request-id",
      "cookie",
      "range",
      "if-match",
    ];
    const name = this.random.pick(names);
    headers[name] = name === "authorization" && this.random.chance(0.5) ? `Bearer ${value}` : value;
  }

  #spoilValue(value: unknown): unknown {
    const { random } = this;
    if (typeof value !== "object" || value === null || random.chance(0.1)) return this.#odd();
    const copy = structuredClone(value) as Record<string, unknown>;
    const keys = Object.keys(copy);
    const key = keys.length && random.chance(0.8) ? random.pick(keys) : random.pick(NASTY).slice(0, 50);
    if (random.chance(0.15)) delete copy[key];
    else {setOwn(
        copy,
        key,
        typeof copy[key] === "object" && random.chance(0.7) ? this.#spoilValue(copy[key]) : this.#odd(),
      );}
    return copy;
  }

  #odd(): unknown {
    return this.random.chance(0.6) ? this.random.pick(NASTY) : this.random.pick(ODD);
  }

  #raw(text: string): string | Uint8Array<ArrayBuffer> {
    const { random } = this;
    const at = random.below(text.length + 1);
    const bytes = Uint8Array.from({ length: 16 }, () => random.below(256));
    return random.pick([
      "",
      text.slice(0, at),
      text + text,
      text.slice(0, at) + random.pick(NASTY) + text.slice(at),
      "[".repeat(1 + random.below(50_000)),
      '{"a":'.repeat(1 + random.below(5_000)),
      bytes,
    ]);
  }

  #encoded(): string {
    const text = this.random.pick(NASTY).slice(0, 3_000);
    return text.isWellFormed() ? encodeURIComponent(text) : "%ED%A0%80";
  }

  #name(operation: Operation): string {
    const names = operation.parameters.filter((p) => p.in === "query").map((p) => p.name);
    return names.length && this.random.chance(0.8) ? this.random.pick(names) : this.#encoded().slice(0, 60);
  }
}

/** Also where the key is "__proto__". */
function setOwn(object: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

function textOf(type: string, value: unknown): string {
  return type.endsWith("json")
    ? JSON.stringify(value) ?? ""
    : `time,value\n2011-12-01 01:00,${JSON.stringify(value)?.slice(0, 100)}\n`;
}

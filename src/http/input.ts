// What a request carries, checked against the route's schemas before anything else sees it. Unknown keys are refused by
// the schemas (strict objects), doubled parameters, wrong content types and oversized or malformed bodies here.
import type { z } from "@hono/zod-openapi";
import { AppError } from "../errors.ts";
import { invalid } from "./problem.ts";
import type { Route } from "./route.ts";

/** The largest parsed body, in bytes. Streams have limits of their own. */
export const MAX_BODY = 1024 * 1024;

/** How long a parsed body may take to arrive, in milliseconds. */
const BODY_MS = 20_000;

/** Parsed params, query and body, and the body's text for the idempotency key's hash. */
export interface Input {
  params: unknown;
  query: unknown;
  body: unknown;
  text: string;
}

function parse(where: string, schema: z.ZodType | undefined, value: unknown): unknown {
  if (!schema) return value;
  const result = schema.safeParse(value);
  if (!result.success) throw invalid(where, result.error);
  return result.data;
}

function readQuery(url: string, schema: z.ZodType | undefined): unknown {
  const given: Record<string, string> = Object.create(null); // "constructor" is a name like any other
  const [, query] = /^[^?#]*\?([^#]*)/.exec(url) ?? [];
  for (const [name, value] of query ? new URLSearchParams(query) : []) {
    if (name in given) throw new AppError("invalid_request", `Send the query parameter "${name}" once`);
    given[name] = value;
  }
  const names = Object.keys(given);
  if (!schema && names.length > 0) {
    throw new AppError("invalid_request", `Remove the query parameter "${names[0]}": it is not known here`);
  }
  return parse("query", schema, given);
}

function mediaType(request: Request): string {
  return (request.headers.get("content-type") ?? "").split(";")[0].trim().toLowerCase();
}

/**
 * Reads a body as text.
 * @throws AppError `payload_too_large` as soon as it exceeds `limit` bytes, `invalid_request` when it is not there after `ms`
 * milliseconds, `invalid_json` when it breaks off or is no UTF-8.
 */
export async function readText(request: Request, limit = MAX_BODY, ms = BODY_MS): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const reader = request.body?.getReader();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new AppError("invalid_request", `Send the body within ${ms / 1000} seconds`);
    timer = setTimeout(() => reject(error), ms);
  });
  let text = "", size = 0;
  try {
    while (reader) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) break;
      size += value.byteLength;
      if (size > limit) throw new AppError("payload_too_large", `Send at most ${limit} bytes`);
      text += decoder.decode(value, { stream: true });
    }
    return text + decoder.decode();
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError("invalid_json", "Send the body as UTF-8", { cause: error });
  } finally {
    clearTimeout(timer);
    reader?.releaseLock();
  }
}

async function readBody(request: Request, schema: z.ZodType): Promise<{ body: unknown; text: string }> {
  if (mediaType(request) !== "application/json") {
    throw new AppError("unsupported_media_type", 'Send the body as "application/json"');
  }
  const text = await readText(request);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new AppError("invalid_json", "Send a body that is valid JSON");
  }
  return { body: parse("body", schema, value), text };
}

/** Checks everything that a request carries. Throws AppError with the status that fits. */
export async function readInput(route: Route, request: Request, params: Record<string, string>): Promise<Input> {
  const parsed = parse("params", route.params, params);
  const query = readQuery(request.url, route.query);
  if (route.stream) {
    if (!route.stream.includes(mediaType(request))) {
      throw new AppError("unsupported_media_type", `Send the body as ${route.stream.join(" or ")}`);
    }
    return { params: parsed, query, body: undefined, text: "" };
  }
  if (!route.body) return { params: parsed, query, body: undefined, text: "" };
  return { params: parsed, query, ...await readBody(request, route.body) };
}

// From a route to its entry in the OpenAPI 3.1 document: parameters, body, answers, errors, who may call.
import { type RouteConfig, z } from "@hono/zod-openapi";
import { type Code, ERRORS } from "../errors.ts";
import { type Group, GROUPS } from "./groups.ts";
import { problemSchema } from "./problem.ts";
import type { Route } from "./route.ts";

const ALWAYS: Code[] = ["invalid_request", "internal", "overloaded"];

function possibleErrors(route: Route, group: Group): Code[] {
  const codes = [...ALWAYS, ...route.errors ?? []];
  if (route.limit !== "none") codes.push("rate_limited");
  if (GROUPS[group].caller !== "anyone") codes.push("unauthorized", "forbidden");
  if (GROUPS[group].tenant) codes.push("tenant_mismatch", "not_found", "unknown_host");
  if (route.params) codes.push("not_found");
  if (route.body || route.stream) codes.push("payload_too_large", "unsupported_media_type", "unprocessable");
  if (route.method !== "get") codes.push("conflict");
  return codes;
}

function errorAnswers(route: Route, group: Group): RouteConfig["responses"] {
  const byStatus = new Map<number, string[]>();
  for (const code of new Set(possibleErrors(route, group))) {
    const { status, title } = ERRORS[code];
    byStatus.set(status, [...byStatus.get(status) ?? [], title]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, titles]) => [status, {
      description: titles.join("; "),
      content: { "application/problem+json": { schema: problemSchema } },
    }]),
  );
}

const REDIRECT = {
  description: "Go on at the page in `Location`",
  headers: { location: { schema: { type: "string" as const, format: "uri" } } },
};

function success(route: Route): RouteConfig["responses"] {
  if (route.answer === null) return { 204: { description: "Done" } };
  const content = route.answer === "stream"
    ? Object.fromEntries((route.answerTypes ?? ["application/octet-stream"]).map((t) => [t, { schema: z.string() }]))
    : { "application/json": { schema: route.answer } };
  return { [route.status ?? 200]: { description: "Success", content }, ...(route.redirects && { 303: REDIRECT }) };
}

function headers(route: Route, group: Group) {
  return z.object({
    ...(GROUPS[group].tenant && {
      "x-tenant": z.string().optional().openapi({
        description:
          "Slug or id of the tenant. Host, path (`/t/{slug}/v1/…`), this header and the token may name the " +
          "tenant; all that do must agree",
      }),
    }),
    ...(route.idempotent && {
      "idempotency-key": z.string().optional().openapi({
        description: "Repeating a request with its key gives the first answer again",
      }),
    }),
  });
}

function requestBody(route: Route) {
  if (route.stream) {
    const schema = z.string().openapi({ format: "binary" });
    return { required: true, content: Object.fromEntries(route.stream.map((type) => [type, { schema }])) };
  }
  return route.body && { required: true, content: { "application/json": { schema: route.body } } };
}

/** The OpenAPI entry of a route. */
export function describe(route: Route, group: Group): RouteConfig {
  const { caller } = GROUPS[group];
  const who = caller === "anyone" ? "" : `For ${caller}s${needs(route)}.`;
  return {
    operationId: route.operation,
    method: route.method,
    path: route.path,
    summary: route.summary,
    description: [route.description, who].filter(Boolean).join("\n\n") || undefined,
    tags: [route.tag],
    security: caller === "anyone" ? [] : takesKeys(route) ? [{ bearer: [] }, { api_key: [] }] : [{ bearer: [] }],
    request: {
      params: route.params as z.ZodObject | undefined,
      query: route.query as z.ZodObject | undefined,
      headers: headers(route, group),
      body: requestBody(route) as never,
    },
    responses: { ...success(route), ...errorAnswers(route, group) },
  };
}

/** Whether programs may call it with a key. */
function takesKeys(route: Route): boolean {
  return !route.people && (route.callers?.includes("key") ?? true);
}

/** What a caller needs beside being signed in, in words. */
function needs(route: Route): string {
  if (route.can) return ` with the permission \`${route.can}\``;
  return route.roles ? ` with the role ${route.roles.join(" or ")}` : "";
}

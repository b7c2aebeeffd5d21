// Serves routes by group. A group says who may call; everything that guards a call happens here, in this order:
// token → tenant → limits → role → input → idempotency key → handler → answer checked against its schema.
// Requests are counted against their limits beside this, and none reaches its handler before it was counted, but for a read
// that can expect to be granted: it is done meanwhile, and its answer goes out when it is.
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { AppError } from "../errors.ts";
import type { Principal } from "../identity/principal.ts";
import type { Hosts } from "../tenancy/locate.ts";
import { hostName, requestHost } from "../tenancy/locate.ts";
import type { Services } from "../tenancy/services.ts";
import { authenticate, type Shown } from "./authenticate.ts";
import { BoundCall, requestId } from "./call.ts";
import { sessionCookies } from "./cookies.ts";
import { enterTenant } from "./enter_tenant.ts";
import { type Group, GROUPS } from "./groups.ts";
import { identify } from "./identify.ts";
import { idempotencyKey, once } from "./idempotency.ts";
import { readInput } from "./input.ts";
import { describe } from "./openapi.ts";
import { problem } from "./problem.ts";
import { Admission, limitsOfAddress, limitsOfCaller } from "./rate_limit.ts";
import { type Asked, originOf, tellRefusal } from "./refused.ts";
import { type Route, tenantRoutes } from "./route.ts";
import { bannerOf, enterVisit } from "./visiting.ts";

/** What mounting needs. */
export interface Mounting {
  app: OpenAPIHono;
  services: Services;
  hosts: Hosts;
}

/** Serves `routes` for the callers of `group`; tenant routes also below `/t/{slug}`. */
export function mount({ app, services, hosts }: Mounting, group: Group, routes: readonly Route[]): void {
  for (const route of routes) {
    const path = route.path.replace(/\{(\w+)\}/g, ":$1");
    const paths = GROUPS[group].tenant ? [path, `/t/:tenant_slug${path}`] : [path];
    const handler = (c: Context) => serve(c, route, group, services, hosts);
    if (GROUPS[group].tenant) tenantRoutes.set(handler, route);
    app.on(route.method.toUpperCase(), paths, handler);
    app.openAPIRegistry.registerPath(describe(route, group));
  }
}

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/** The answer where no route was found: 405 with `Allow` when the path is served for other methods, else 404. */
export function noRoute(app: OpenAPIHono, c: Context): Response {
  const id = requestId(c.req.raw);
  const allowed = METHODS.filter((method) =>
    app.router.match(method, c.req.path)[0].some(([[, served]]) => served.method === method) // not middleware
  ).join(", ");
  if (!allowed) return problem(new AppError("not_found", "There is no such route"), id);
  const response = problem(new AppError("method_not_allowed", `Use ${allowed} here`), id);
  response.headers.set("allow", allowed);
  return response;
}

async function serve(c: Context, route: Route, group: Group, services: Services, hosts: Hosts): Promise<Response> {
  const id = requestId(c.req.raw);
  const started = performance.now();
  const admission = new Admission(services.limits);
  const asked = askedOf(c, id, route);
  let response: Response;
  try {
    response = await answer({ asked, group, services, hosts, admission });
  } catch (error) {
    response = problem(error, id);
    if (GROUPS[group].tenant) tellRefusal(services, hosts, asked, error);
    if (response.status >= 500) {
      services.log.error("A request failed", { request: id, operation: route.operation, reason: describeError(error) });
    }
    await c.req.raw.body?.cancel().catch(() => {}); // an upload that was refused is not read to its end
  }
  response.headers.set("x-request-id", id);
  if (asked.principal?.kind === "impersonator") response.headers.set("x-impersonation", bannerOf(asked.principal));
  await admission.tell(response.headers);
  const ms = Math.round(performance.now() - started);
  services.log.info("request", { request: id, operation: route.operation, status: response.status, ms });
  return response;
}

/** An error with what is underneath, for the log; the log redacts. */
function describeError(error: unknown): string {
  const cause = error instanceof Error && error.cause ? ` (${error.cause})` : "";
  const stack = error instanceof AppError ? "" : `\n${(error as Error)?.stack ?? ""}`;
  return `${error}${cause}${stack}`;
}

/** What answers a request. */
interface Answering {
  asked: Asked;
  group: Group;
  services: Services;
  hosts: Hosts;
  admission: Admission;
}

async function answer(answering: Answering): Promise<Response> {
  const { asked, services, admission } = answering;
  const { request, requestId: id, route, params, origin } = asked;
  hostName(requestHost(request));
  const caller = await enter(answering);
  const { tenant } = asked;
  if (caller) admission.count(limitsOfCaller(caller, tenant, { limit: route.limit, services }));
  const call = new BoundCall({ route, request, requestId: id, principal: caller, tenant, services, origin });
  const status = route.status ?? 200;
  const prepare = async () => {
    if (caller) await call.permit();
    const input = await readInput(route, request, params);
    call.accept(input);
    return input;
  };
  if (admission.isPromising && caller && caller.kind !== "impersonator" && onlyReads(route)) {
    return send(route, status, await admission.alongside(prepare().then(() => route.handler(call))), false);
  }
  const input = await admission.alongside(prepare());
  if (caller?.kind === "impersonator" && tenant) await enterVisit(services, tenant, caller, asked);
  const key = route.idempotent ? idempotencyKey(request, route.operation, input.text, services.servers.hashKey) : null;
  if (!key) return send(route, status, await route.handler(call), false);
  const { body, repeated } = await call.within((tx) =>
    once(tx, call.keys, key, status, async () => checked(route, await route.handler(call)))
  );
  return send(route, status, body, repeated);
}

/**
 * Finds out who calls, and enters the tenant that the request names. Whoever is proven to be nobody counts against the
 * address, also where that is why the request is refused; a token or key that holds never does.
 */
async function enter({ asked, group, services, hosts, admission }: Answering): Promise<Principal | null> {
  const { request, requestId, route, slug } = asked;
  const limits = () => limitsOfAddress(request, route.limit, services);
  let counted = false;
  const countAddress = () => {
    if (!counted) admission.count(limits());
    counted = true;
  };
  try {
    const shown = GROUPS[group].caller === "anyone" ? null : await authenticate(request, services.tokens);
    if (shown && !shown.kind.startsWith("presented")) asked.principal = shown as Principal;
    if (!shown) countAddress();
    const byRefresh = route.orRefreshCookie && sessionCookies(request).refresh !== null;
    if (shown || !byRefresh) refuseOthers(group, shown);
    const { tenant: inTenant } = GROUPS[group];
    asked.tenant = inTenant ? await admission.alongside(enterTenant(request, slug, shown, hosts, services)) : null;
    return asked.principal = await identify(shown, asked.tenant, services, {
      operation: route.operation,
      requestId,
      beforeLookup: () => admission.refuseExhausted(limits()),
    });
  } catch (error) {
    const status = error instanceof AppError ? error.status : 500;
    if (status !== 429 && (!asked.principal || status === 401)) countAddress();
    return await admission.alongside(Promise.reject(error)); // 429 instead, over the limit
  }
}

/** Whether a call of this route leaves nothing behind, and gives nothing out before its end. */
function onlyReads(route: Route): boolean {
  return route.method === "get" && route.readOnly !== false && route.answer !== "stream" && route.limit !== "strict";
}

/** Refuses callers of the other plane or without a token, before anything is loaded. */
function refuseOthers(group: Group, shown: Shown | null): void {
  const { caller } = GROUPS[group];
  if (caller === "anyone") return;
  if (!shown) throw new AppError("unauthorized", 'Send an access token as "Authorization: Bearer …"');
  const ofPlatform = shown.kind === "presented_key" ? shown.tenantId === null : shown.kind === "operator";
  if (ofPlatform === (caller === "operator")) return;
  const who = caller === "operator" ? "operators and their keys" : "members of the tenant and keys of the tenant";
  throw new AppError("forbidden", `This is for ${who} only: use a token or key of theirs`);
}

/** What is known of a request before anything is decided. */
function askedOf(c: Context, requestId: string, route: Route): Asked {
  const request = c.req.raw;
  const { tenant_slug: slug = null, ...params } = c.req.param() as Record<string, string>;
  return { request, requestId, route, slug, params, principal: null, tenant: null, origin: originOf(request) };
}

function checked(route: Route, value: unknown): unknown {
  return route.answer === null || route.answer === "stream" ? null : route.answer.parse(value);
}

function send(route: Route, status: number, value: unknown, repeated: boolean): Response {
  if (route.answer === "stream") return value as Response;
  // The headers come afterwards: an answer made with some is written out at once, and again when one more is set.
  const response = route.answer === null
    ? new Response(null, { status: 204 })
    : new Response(JSON.stringify(repeated ? value : route.answer.parse(value)), { status });
  const { headers } = response;
  headers.set("cache-control", "private, no-store");
  headers.set("vary", "authorization, x-tenant, host");
  if (repeated) headers.set("idempotent-replayed", "true");
  if (route.answer !== null) headers.set("content-type", "application/json");
  return response;
}

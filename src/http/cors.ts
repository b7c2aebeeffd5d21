// CORS, per tenant: which pages on other hosts may read an answer. The answer never says "*", and a page learns at most
// whether its own origin is known here, not whose it is. https://fetch.spec.whatwg.org/#http-cors-protocol
import { locate, requestHost } from "../tenancy/locate.ts";
import type { TenantRecord } from "../tenancy/directory.ts";
import { isKnown, isOriginOf, readOrigin, type Site } from "./origin.ts";

const METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE";
const REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-API-Key, " +
  "X-Request-Id, X-Requested-With, X-Tenant";
const ANSWER_HEADERS = "Content-Disposition, ETag, Idempotent-Replayed, Location, RateLimit, RateLimit-Limit, " +
  "RateLimit-Policy, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Impersonation, X-Request-Id";
/** How long a browser may remember a preflight, in seconds: an origin that is taken off the list is refused anyway. */
const REMEMBERED = 600;

/** Whether a browser asks beforehand. */
export function isPreflight(request: Request): boolean {
  return request.method === "OPTIONS" && request.headers.has("origin") &&
    request.headers.has("access-control-request-method");
}

/**
 * The answer to a preflight. It carries neither token nor cookie nor X-Tenant: where host or path name a tenant, the origin
 * must be that tenant's; else any tenant's, and the request that follows is judged by the tenant that it enters.
 */
export async function answerPreflight(request: Request, site: Site): Promise<Response> {
  const headers = new Headers({
    "access-control-allow-methods": METHODS,
    "access-control-allow-headers": REQUEST_HEADERS,
    "access-control-max-age": String(REMEMBERED),
    vary: "Access-Control-Request-Method, Access-Control-Request-Headers",
  });
  const origin = readOrigin(request.headers.get("origin") ?? "");
  const named = await namedByUrl(request, site);
  const allowed = origin !== null && named !== "unknown" &&
    (named ? isOriginOf(named, origin, site) : await isKnown(origin, site));
  if (allowed) allowReading(headers, origin, await atTenantHost(request, site));
  return new Response(null, { status: 204, headers });
}

/** Lets pages of this origin read an answer. With `credentials` also one to a request that carried cookies. */
export function allowReading(headers: Headers, origin: string, credentials: boolean): void {
  headers.set("access-control-allow-origin", origin);
  headers.set("access-control-expose-headers", ANSWER_HEADERS);
  if (credentials) headers.set("access-control-allow-credentials", "true");
}

/** The slug in `/t/{slug}/…`, or null. */
export function pathSlug(request: Request): string | null {
  return /^\/t\/([^/]+)\//.exec(new URL(request.url).pathname)?.[1] ?? null;
}

/** The tenant that host and path name; null where they name none. */
async function namedByUrl(request: Request, { services, hosts }: Site): Promise<TenantRecord | null | "unknown"> {
  const sources = { host: requestHost(request), path: pathSlug(request), header: null, token: null };
  return await locate(sources, hosts, services.directory, services.log).catch(() => "unknown");
}

/** Whether the request was sent to a host of one tenant's own. Cookies of other hosts are of no use to other pages. */
export async function atTenantHost(request: Request, { services, hosts }: Site): Promise<boolean> {
  const sources = { host: requestHost(request), path: null, header: null, token: null };
  return await locate(sources, hosts, services.directory, services.log).then((tenant) => tenant !== null, () => false);
}

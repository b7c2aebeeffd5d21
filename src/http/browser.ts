// The guard between browsers and the routes, before everything else: who a request comes from (Origin, Fetch Metadata),
// whether its cookies count, and which page may read the answer. Requests of programs, which send no Origin, pass through.
import type { MiddlewareHandler } from "hono";
import { AppError } from "../errors.ts";
import type { Principal } from "../identity/principal.ts";
import type { TenantRecord } from "../tenancy/directory.ts";
import { locate, requestHost } from "../tenancy/locate.ts";
import type { Services } from "../tenancy/services.ts";
import { authenticate } from "./authenticate.ts";
import { requestId } from "./call.ts";
import { cookieLines, type CookieRules, cookieRules, dropCookies, receiveCookies } from "./cookies.ts";
import { allowReading, answerPreflight, atTenantHost, isPreflight, pathSlug } from "./cors.ts";
import { isKnown, isOriginOf, isSameHost, readOrigin, type Site } from "./origin.ts";
import { problem } from "./problem.ts";
import { originOf, type Refused, tellRefusal } from "./refused.ts";
import { type Route, tenantRoutes } from "./route.ts";
import { secured } from "./security_headers.ts";

const READS = new Set(["GET", "HEAD", "OPTIONS"]);
/** What a plain form on any page can send without being asked first. */
const FORM_TYPES = /^(application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)\b/i;

/** Who on another host may read the answer: nobody, that origin, or that origin if the answer is a refusal. */
interface Reader {
  origin: string;
  when: "always" | "refused";
  credentials: boolean;
}

/** The site, and what is known of it once and for all. */
interface Guarded extends Site {
  cookies: CookieRules;
}

/** Guards every answer of an app. */
export function guardBrowsers(site: Site): MiddlewareHandler {
  const { publicUrl } = site.services;
  const guarded: Guarded = { ...site, cookies: cookieRules(publicUrl) };
  return async function guard(c, next) {
    const request = c.req.raw;
    let reader: Reader | null = null;
    try {
      if (isPreflight(request)) c.res = await answerPreflight(request, site);
      else {
        reader = await judge(request, guarded);
        await next();
      }
    } catch (error) {
      const route = c.req.matchedRoutes.map(({ handler }) => tenantRoutes.get(handler)).find((found) => found);
      c.res = await refuse(request, error, route, site);
      await request.body?.cancel().catch(() => {}); // an upload that was refused is not read to its end
    }
    if (c.res.status < 200) return; // an upgraded connection has no headers any more
    const answer = secured(c.res, publicUrl);
    const refused = answer.status >= 400;
    for (const line of refused ? [] : cookieLines(request)) answer.headers.append("set-cookie", line);
    answer.headers.append("vary", "Origin");
    if (reader && (reader.when === "always" || refused)) {
      allowReading(answer.headers, reader.origin, reader.credentials);
    }
    if (answer !== c.res) c.res = answer;
  };
}

/** The answer to a request that does not reach its route. The audit of the tenant is told. */
async function refuse(request: Request, error: unknown, route: Route | undefined, site: Site): Promise<Response> {
  const { services, hosts } = site;
  const id = requestId(request);
  if (route) tellRefusal(services, hosts, await whatWasAsked(request, id, route, services), error);
  const answer = problem(error, id);
  answer.headers.set("x-request-id", id);
  const origin = request.headers.get("origin")?.slice(0, 300) ?? null;
  services.log[answer.status < 500 ? "warn" : "error"]("A request was refused before its route", {
    request: id,
    origin,
    reason: String(error),
  });
  return answer;
}

/** A request that does not reach its route, as far as it is known. */
async function whatWasAsked(request: Request, id: string, route: Route, { tokens }: Services): Promise<Refused> {
  const shown = await authenticate(request, tokens).catch(() => null);
  return {
    request,
    requestId: id,
    route,
    slug: pathSlug(request),
    principal: shown && !shown.kind.startsWith("presented") ? shown as Principal : null,
    tenant: null,
    origin: originOf(request),
  };
}

/**
 * Judges where a request comes from.
 * @throws AppError `origin_refused` for a change that a page of somebody else's asks for.
 */
async function judge(request: Request, site: Guarded): Promise<Reader | null> {
  const carried = receiveCookies(request, site.cookies);
  const byCookie = carried && !request.headers.has("authorization");
  const changes = !READS.has(request.method);
  const given = request.headers.get("origin");
  if (byCookie && changes) refuseForms(request);
  if (given === null) {
    if (byCookie && !comesFromHere(request)) {
      if (changes) {
        const detail = 'Send "Origin" with cookies, as browsers do, or the token as "Authorization: Bearer …"';
        throw new AppError("origin_refused", detail);
      }
      dropCookies(request);
    }
    return null;
  }
  const origin = readOrigin(given);
  if (origin !== null && isSameHost(request, origin, site.services.publicUrl)) return null;
  const tenant = await namedTenant(request, site);
  const own = origin !== null && tenant !== null && isOriginOf(tenant, origin, site);
  // No tenant: a token that has expired, or a route of the platform. Its refusal may be read, nothing else.
  const known = origin !== null && tenant === null && await isKnown(origin, site);
  if (changes && !(own || (known && !byCookie))) {
    throw new AppError("origin_refused", 'This origin is not one of the tenant\'s; list it with "origins.set"');
  }
  if (!own) dropCookies(request);
  if (!own && !known) return null;
  return { origin: origin!, when: own ? "always" : "refused", credentials: own && await atTenantHost(request, site) };
}

/**
 * Without an Origin header: whether the browser itself says that the request comes from this host, from the address bar,
 * or, for reading, from a link. A program that says nothing gets no cookie's rights for changes; a token is for programs.
 */
function comesFromHere(request: Request): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site === "same-origin") return true;
  if (!READS.has(request.method)) return false;
  return site === null || site === "none" || request.headers.get("sec-fetch-mode") === "navigate";
}

/** With cookies, what a form could send is refused unless a script vouches for it; JSON and CSV no form can send. */
function refuseForms(request: Request): void {
  if (!FORM_TYPES.test(request.headers.get("content-type") ?? "") || request.headers.has("x-requested-with")) return;
  throw new AppError("origin_refused", 'Send "application/json", or the header "X-Requested-With" with a form');
}

/** The tenant that the request will enter, by all that it names; null where that fails, which its route tells. */
async function namedTenant(request: Request, { services, hosts }: Site): Promise<TenantRecord | null> {
  const refused = (error: unknown) => {
    if (error instanceof AppError && error.status < 500) return null;
    throw error;
  };
  const principal = await authenticate(request, services.tokens).catch(refused);
  const sources = {
    host: requestHost(request),
    path: pathSlug(request),
    header: request.headers.get("x-tenant"),
    token: principal && "tenantId" in principal ? principal.tenantId : null,
  };
  const silent = { ...services.log, alarm: () => {} }; // the route tells it
  return await locate(sources, hosts, services.directory, silent).catch(refused);
}

// Sessions of browsers in cookies, out of reach of scripts. The guard (browser.ts) receives a request's cookies and drops
// them where the request may not use them; whoever has not passed it has none. Only here are their names known.
import { serialize } from "hono/utils/cookie";
import { AppError } from "../errors.ts";
import { isHttps } from "./security_headers.ts";

/** What a sign-in puts into cookies; lives in seconds. */
export interface SessionTokens {
  access: string;
  accessSeconds: number;
  refresh: string;
  refreshSeconds: number;
}

interface Cookie {
  name: string;
  value: string;
  seconds: number;
}

/** How cookies are kept where the platform is reached. */
export interface CookieRules {
  /** `__Host-`: set by this host itself, over https, for all its paths; a host beside it can neither set nor shade it. */
  prefix: "__Host-" | "";
  /** False over http, but on the developer's own machine: tokens do not travel in clear. */
  allowed: boolean;
}

/** The cookies of one request, and what its answer sets. */
interface Jar {
  rules: CookieRules;
  access: string | null;
  refresh: string | null;
  leaving: Cookie[];
}

const ACCESS = "bulkhead_access";
const REFRESH = "bulkhead_refresh";
/** Browsers keep no cookie whose name and value are longer than 4096 bytes together (RFC 6265bis, 5.6), and say nothing. */
const MAX_LENGTH = 4096;
const LOCAL = /^(localhost|[a-z0-9-]+\.localhost|127\.0\.0\.1|\[::1\])$/;

const jars = new WeakMap<Request, Jar>();

/** The rules of a platform that is reached at `publicUrl`. */
export function cookieRules(publicUrl: string): CookieRules {
  const https = isHttps(publicUrl);
  return { prefix: https ? "__Host-" : "", allowed: https || LOCAL.test(new URL(publicUrl).hostname) };
}

/**
 * Takes the session's cookies of a request.
 * @returns Whether there is one.
 * @throws AppError `invalid_request` when one came twice: a host beside this one may have put it there.
 */
export function receiveCookies(request: Request, rules: CookieRules): boolean {
  const header = rules.allowed ? request.headers.get("cookie") : null;
  const access = readOne(header, rules.prefix + ACCESS);
  const refresh = readOne(header, rules.prefix + REFRESH);
  jars.set(request, { rules, access, refresh, leaving: [] });
  return access !== null || refresh !== null;
}

/** Takes a request's cookies away from whatever comes later. */
export function dropCookies(request: Request): void {
  Object.assign(jars.get(request) ?? {}, { access: null, refresh: null });
}

/** The tokens that came in cookies and may be used; null where there is none. */
export function sessionCookies(request: Request): { access: string | null; refresh: string | null } {
  const { access = null, refresh = null } = jars.get(request) ?? {};
  return { access, refresh };
}

/**
 * Puts a session's tokens into the cookies of this request's answer, if it succeeds.
 * @throws AppError `invalid_request` over plain http elsewhere than on this machine.
 */
export function keepSession(request: Request, tokens: SessionTokens): void {
  put(request, [
    { name: ACCESS, value: tokens.access, seconds: tokens.accessSeconds },
    { name: REFRESH, value: tokens.refresh, seconds: tokens.refreshSeconds },
  ]);
}

/** Takes the session's cookies away with this request's answer, if it succeeds. */
export function endSession(request: Request): void {
  put(request, [ACCESS, REFRESH].map((name) => ({ name, value: "", seconds: 0 })));
}

/** The `Set-Cookie` lines of a request's answer. */
export function cookieLines(request: Request): string[] {
  const jar = jars.get(request);
  if (!jar) return [];
  const { prefix } = jar.rules;
  return jar.leaving.map(({ name, value, seconds }) =>
    serialize(prefix + name, value, {
      path: "/",
      httpOnly: true,
      secure: prefix !== "",
      sameSite: "Strict",
      maxAge: seconds,
    })
  );
}

function put(request: Request, cookies: Cookie[]): void {
  const jar = jars.get(request);
  if (!jar?.rules.allowed) throw new AppError("invalid_request", "Sign in with cookies over https only");
  for (const { name, value } of cookies) {
    if (jar.rules.prefix.length + name.length + value.length >= MAX_LENGTH) {
      throw new Error(`"${name}" fits into no cookie`);
    }
  }
  jar.leaving = cookies;
}

function readOne(header: string | null, name: string): string | null {
  if (header === null) return null;
  const values = header.split(";").map((pair) => pair.trim()).filter((pair) => pair.startsWith(`${name}=`));
  if (values.length > 1) throw new AppError("invalid_request", `Send the cookie "${name}" once`);
  return values[0]?.slice(name.length + 1) || null;
}

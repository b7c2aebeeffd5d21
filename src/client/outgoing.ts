// A request on its way out: where it may go, and whether it can be sent a second time. Nothing leaves for another origin than
// the API's, and no redirect is followed: either could carry a token or a password away.
import { TargetRefusedError } from "./problems.ts";

/** The API: its URL without a slash at the end, and its origin. */
export interface Target {
  base: string;
  origin: string;
}

/** A request that can be built once, or any number of times where `again` says so. */
export interface Outgoing {
  /** As the caller gave it; what is added for all tries is added here. */
  headers: Headers;
  method: string;
  url: string;
  signal: AbortSignal;
  /** Whether it can be sent more than once: a body that is a stream cannot. */
  again: boolean;
  /** Whether the caller wants to see redirects. */
  seesRedirects: boolean;
  /** The request of one try, with `authorization` where there is one. */
  build(authorization: string | null): Request;
}

/** Where the API is. Throws TypeError for what is no http(s) URL, or has more than an origin and a path. */
export function targetAt(url: string): Target {
  const { protocol, origin, pathname, username, password, search, hash } = new URL(url);
  if (!/^https?:$/.test(protocol) || username || password || search || hash) {
    throw new TypeError('Give "url" as an http or https URL without user, query and fragment');
  }
  return { origin, base: origin + pathname.replace(/\/+$/, "") };
}

/**
 * Takes what `fetch()` takes; a path that begins with a slash is one of the API.
 * @throws TargetRefusedError for a URL of another origin.
 */
export async function prepare(
  { base, origin }: Target,
  input: RequestInfo | URL,
  init?: RequestInit,
): Promise<Outgoing> {
  const where = typeof input === "string" && input.startsWith("/") ? base + input : input;
  const url = new URL(where instanceof Request ? where.url : where, base);
  if (url.origin !== origin) {
    throw new TargetRefusedError(`This client sends to "${origin}" only, not to "${url.origin}"`);
  }
  const first = new Request(where instanceof Request ? where : url, init);
  const { method, signal } = first;
  const body = await keptBody(first, init?.body);
  const headers = new Headers(first.headers);
  return {
    headers,
    method,
    url: first.url,
    signal,
    again: body !== "stream",
    seesRedirects: first.redirect === "manual",
    build(authorization) {
      const sent = new Headers(headers);
      if (authorization !== null) sent.set("authorization", authorization);
      const kept = body === null || body === "stream" ? {} : { body };
      return new Request(first, { ...kept, headers: sent, redirect: "manual" });
    },
  };
}

/**
 * The body to send each time; "stream" where there is only one chance. A Request does not tell what its body was made of:
 * JSON, which is what generated clients send, is read, and anything else in a Request is taken for a stream.
 */
async function keptBody(first: Request, given: unknown): Promise<ArrayBuffer | Blob | null | "stream"> {
  if (first.body === null) return null;
  if (given instanceof Blob) return given;
  const whole = given === undefined || given === null
    ? /^application\/([\w.-]+\+)?json\b/i.test(first.headers.get("content-type") ?? "")
    : isWhole(given);
  return whole ? await first.arrayBuffer() : "stream";
}

function isWhole(body: unknown): boolean {
  return typeof body === "string" || body instanceof URLSearchParams || body instanceof FormData ||
    body instanceof ArrayBuffer || ArrayBuffer.isView(body);
}

/** Gives the answer. @throws TargetRefusedError when it is a redirect. */
export async function refuseRedirect(response: Response, { origin }: Target): Promise<Response> {
  const location = response.status >= 300 && response.status < 400 ? response.headers.get("location") : null;
  if (location === null && response.type !== "opaqueredirect") return response;
  await response.body?.cancel();
  const where = location !== null && URL.canParse(location, origin) ? `to "${new URL(location, origin).origin}" ` : "";
  throw new TargetRefusedError(`The redirect ${where}was not followed: the API answers with none`);
}

// A fetch for addresses that a tenant can name (JWKS, OIDC, webhooks): the host goes through the egress check and the
// connection goes to the address that was checked, never to the name again. Redirects are not followed, time and bytes
// are bounded, TLS is verified for the name. What must not happen here: resolving a second time.

import { Buffer } from "node:buffer";
import { type IncomingMessage, request as requestHttp, type RequestOptions } from "node:http";
import { request as requestHttps } from "node:https";
import { isIP } from "node:net";
import { AppError } from "../../errors.ts";
import type { Egress } from "./egress.ts";
import type { ResolvedHost } from "./resolve.ts";

/** The part of the platform's `fetch` that adapters need. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** The limits of {@link createEgressFetch}. */
export interface FetchRules {
  /** Milliseconds from the call to the last byte; default 10,000. */
  timeoutMs?: number;
  /** Bytes of a response's body; default 1 MiB. */
  maxBytes?: number;
  /** Whether `http:` may be used, and only for loopback addresses that the allow-list opens; default false. */
  plainLoopback?: boolean;
  /** Certificates (PEM) of authorities to trust instead of the system's. */
  ca?: string;
}

/** Why there is no answer, apart from `egress_refused`. */
export type FetchFaultReason = "timeout" | "aborted" | "too_large" | "unreachable" | "not_understood";

/** No answer came, or one that is not taken. The message has the host and no path, query or body. */
export class FetchFault extends Error {
  override name = "FetchFault";
  constructor(readonly reason: FetchFaultReason, message: string, cause?: unknown) {
    super(message, { cause });
  }
}

const NO_BODY = new Set([204, 205, 304]);

/**
 * A fetch bound to the egress check. A 3xx is handed back like any answer; with `redirect: "error"` it is a fault.
 * Bodies are sent and received whole; answers are asked for uncompressed.
 * The promise is rejected with AppError `egress_refused` for URLs and addresses that may not be connected to, and with
 * {@link FetchFault} for everything that fails later.
 */
export function createEgressFetch(egress: Egress, rules: FetchRules = {}): Fetch {
  return async (input, init) => {
    const url = checkUrl(input instanceof Request ? input.url : String(input), rules);
    const request = new Request(input, { ...init, redirect: init?.redirect === "error" ? "error" : "manual" });
    const deadline = AbortSignal.timeout(rules.timeoutMs ?? 10_000);
    const target = await withinSignal(egress.resolve(url.hostname.replace(/^\[|\]$/g, "")), deadline, url);
    if (url.protocol === "http:" && !isLoopback(target.address)) {
      throw new AppError("egress_refused", `Use "https" for host "${url.hostname}"`);
    }
    const body = request.body ? Buffer.from(await request.arrayBuffer()) : undefined;
    const signal = AbortSignal.any([deadline, request.signal]);
    const answer = await exchange({ url, target, request, body, signal, rules }).catch((cause) => {
      if (cause instanceof FetchFault) throw cause;
      throw faultOf(cause, { deadline, asked: request.signal, host: url.hostname });
    });
    if (request.redirect === "error" && answer.status >= 300 && answer.status < 400) {
      throw new FetchFault("not_understood", `Host "${url.hostname}" answered with a redirect`);
    }
    return answer;
  };
}

/** A URL that says more than scheme, host, port, path and query is refused. */
function checkUrl(text: string, rules: FetchRules): URL {
  const url = URL.parse(text);
  if (url?.protocol !== "https:" && !(url?.protocol === "http:" && rules.plainLoopback)) {
    throw new AppError("egress_refused", 'Give an address that begins with "https:"');
  }
  if (url.username || url.password) throw new AppError("egress_refused", "Give an address without a user name");
  return url;
}

interface Exchange {
  url: URL;
  target: ResolvedHost;
  request: Request;
  body?: Buffer;
  signal: AbortSignal;
  rules: FetchRules;
}

async function exchange({ url, target, request, body, signal, rules }: Exchange): Promise<Response> {
  const options: RequestOptions & { ca?: string; servername?: string } = {
    // The checked address, not the name: a runtime that left a `lookup` function aside would resolve once more.
    host: target.address,
    family: target.family,
    port: url.port || (url.protocol === "https:" ? 443 : 80),
    path: url.pathname + url.search,
    method: request.method,
    headers: headersOf(request, url, body),
    agent: false,
    signal,
    ca: rules.ca,
    // A literal address is no server name (RFC 6066, 3): there the certificate must carry the address itself.
    servername: isIP(target.servername) ? undefined : target.servername,
  };
  const send = url.protocol === "https:" ? requestHttps : requestHttp;
  const outgoing = send(options);
  try {
    const message = await new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once("response", resolve).on("error", reject);
      outgoing.end(body);
    });
    return toResponse(message, await readBody(message, rules.maxBytes ?? 1024 * 1024, url.hostname), url);
  } finally {
    outgoing.destroy();
  }
}

function headersOf(request: Request, url: URL, body?: Buffer): Record<string, string> {
  const headers = Object.fromEntries(request.headers);
  for (const name of ["connection", "transfer-encoding", "upgrade", "te", "expect"]) delete headers[name];
  // Uncompressed answers: then the bytes that are counted are all there are.
  const fixed = { host: url.host, "accept-encoding": "identity", connection: "close" };
  return { ...headers, ...fixed, ...(body ? { "content-length": String(body.length) } : {}) };
}

async function readBody(message: IncomingMessage, maxBytes: number, host: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of message) {
    length += chunk.length;
    if (length > maxBytes) {
      throw new FetchFault("too_large", `Host "${host}" answered with more than ${maxBytes} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function toResponse(message: IncomingMessage, body: Buffer, url: URL): Response {
  const encoding = message.headers["content-encoding"] ?? "identity";
  const status = message.statusCode ?? 0;
  if (encoding !== "identity" || status < 200 || status > 599) {
    throw new FetchFault("not_understood", `Host "${url.hostname}" answered in a way that is not understood`);
  }
  const headers = new Headers();
  for (let i = 0; i < message.rawHeaders.length; i += 2) {
    headers.append(message.rawHeaders[i], message.rawHeaders[i + 1]);
  }
  return new Response(NO_BODY.has(status) ? null : new Uint8Array(body), { status, headers });
}

function faultOf(cause: unknown, from: { deadline: AbortSignal; asked: AbortSignal; host: string }): FetchFault {
  if (from.deadline.aborted) return new FetchFault("timeout", `Host "${from.host}" did not answer in time`, cause);
  if (from.asked.aborted) return new FetchFault("aborted", "The request was given up", cause);
  return new FetchFault("unreachable", `Host "${from.host}" cannot be reached`, cause);
}

async function withinSignal<T>(work: Promise<T>, signal: AbortSignal, url: URL): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = () => reject(new FetchFault("timeout", `Host "${url.hostname}" did not answer in time`));
  signal.addEventListener("abort", late);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", late);
  }
}

function isLoopback(address: string): boolean {
  return address === "::1" || address.startsWith("127.");
}

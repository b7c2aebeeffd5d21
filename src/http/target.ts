// Where a request was sent to, checked by the server that listens before anything takes the URL apart: Deno builds the URL
// from the Host header as it came, or from a request line in absolute form, and HTTP/2 sends no Host header at all.
import type { MiddlewareHandler } from "hono";
import { AppError } from "../errors.ts";
import { hostName, type Hosts, requestHost } from "../tenancy/locate.ts";
import { requestId } from "./call.ts";
import { problem } from "./problem.ts";

const AUTHORITY = /^https?:\/\/([^/?#]*)/i;

/** The refusal of a request whose Host header or URL is no plain host, or that names two different ones; else null. */
export function refuseTarget(request: Request): Response | null {
  try {
    const line = AUTHORITY.exec(request.url)?.[1] ?? "";
    const header = request.headers.get("host") ?? line;
    hostName(line);
    if (line === header) return null;
    hostName(header);
    if (bare(line) === bare(header)) return null;
    throw new AppError("invalid_request", "The request line and the Host header must name the same host");
  } catch (error) {
    return problem(error, requestId(request));
  }
}

/** Serves what follows at the platform's own hosts only: a page elsewhere that points its name at us gets nothing. */
export function ownHostsOnly(hosts: Hosts): MiddlewareHandler {
  return async (c, next) => {
    const name = hostName(requestHost(c.req.raw));
    if (name === null || name === hosts.baseDomain || hosts.platform.includes(name)) return await next();
    return problem(new AppError("unknown_host", "This is not served at this host"), requestId(c.req.raw));
  };
}

function bare(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, "");
}

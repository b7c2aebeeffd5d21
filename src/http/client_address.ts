// Where a request came from. The socket says it; X-Forwarded-For says it only where so many proxies of ours stand in front
// that each has added its part, counted from the right: what stands further left the caller may have written himself.
import { isIPv4, isIPv6 } from "node:net";

const known = new WeakMap<Request, string | null>();

/** What a listening server tells of a connection. */
export interface Connected {
  remoteAddr?: Deno.Addr;
}

/** Remembers who sent a request; whoever listens calls this once, before the app. Gives the request. */
export function fromConnection(request: Request, info: Connected | undefined, trustedProxies: number): Request {
  const socket = info?.remoteAddr && "hostname" in info.remoteAddr ? readAddress(info.remoteAddr.hostname) : null;
  known.set(request, forwarded(request, trustedProxies) ?? socket);
  return request;
}

/** The caller's address, IPv6 in its short form (RFC 5952); null where nobody told. */
export function clientAddress(request: Request): string | null {
  return known.get(request) ?? null;
}

/** What is limited as one: an IPv4 address, or the /64 of an IPv6 address, which one customer of a provider has alone. */
export function addressGroup(address: string): string {
  if (isIPv4(address)) return address;
  const [head, tail = ""] = address.split("::");
  const left = head ? head.split(":") : [];
  const right = tail ? tail.split(":") : [];
  const gap = address.includes("::") ? new Array(8 - left.length - right.length).fill("0") : [];
  return `${[...left, ...gap, ...right].slice(0, 4).join(":")}::/64`;
}

/** The n-th address from the right of all X-Forwarded-For headers; null if there is none, or it is no address. */
function forwarded(request: Request, trustedProxies: number): string | null {
  if (trustedProxies === 0) return null;
  const parts = (request.headers.get("x-forwarded-for") ?? "").split(",");
  return readAddress(parts.at(-trustedProxies)?.trim() ?? "");
}

/** An address as it is compared: lower-case, shortened, IPv4 inside IPv6 (::ffff:a.b.c.d) as IPv4. */
function readAddress(text: string): string | null {
  if (isIPv4(text)) return text;
  const [address] = text.split("%"); // the zone of a link-local address
  if (!isIPv6(address)) return null;
  const short = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short) ?? [];
  if (high === undefined) return short;
  const [a, b] = [parseInt(high, 16), parseInt(low, 16)];
  return [a >> 8, a & 255, b >> 8, b & 255].join(".");
}

// The gate for every connection whose target a tenant can name (webhooks, their own database server, imports).
// The host is taken literally, resolved once, every address is checked, and the caller connects to the address given
// back and to nothing else: resolving again would let the name point elsewhere meanwhile (DNS rebinding).

import type { LookupAddress } from "node:dns";
import { lookup } from "node:dns/promises";
import { isIPv4, isIPv6 } from "node:net";
import { AppError } from "../../errors.ts";
import { isAllowedAddress, toBlockList } from "./ranges.ts";

/** Where to connect. */
export interface ResolvedHost {
  /** The one address to connect to. */
  address: string;
  family: 4 | 6;
  /** The name (or literal address) that the server's certificate must carry. */
  servername: string;
}

/** How {@link resolvePublic} decides. */
export interface EgressRules {
  /** Networks which the operator opens on purpose, as CIDRs; they may be private. */
  allow: readonly string[];
  /** Stands in for the system's resolver; all addresses of a name. */
  resolve?: (host: string) => Promise<LookupAddress[]>;
  /** Milliseconds that resolving may take; default 5,000. */
  timeoutMs?: number;
}

// Labels of RFC 1123, and a last one that begins with a letter: `127.1`, `0x7f.1` and `2130706433` are no names
// (resolvers read them as IPv4 addresses).
const DNS_NAME = /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const CANONICAL_IPV4 = /^(?:(?:0|[1-9]\d{0,2})\.){3}(?:0|[1-9]\d{0,2})$/;

/**
 * The address to connect to for a host that a tenant gave.
 * @param host A DNS name, a dotted IPv4 address, or an IPv6 address without brackets; any other spelling is refused.
 * @throws AppError `egress_refused` for a host that is misspelt, does not resolve, or has any address that is not
 * public and not in `allow`. Error when `allow` holds something else than networks.
 */
export async function resolvePublic(host: string, rules: EgressRules): Promise<ResolvedHost> {
  const allowed = toBlockList(rules.allow);
  const name = host.toLowerCase();
  const addresses = await findAddresses(name, rules);
  // One private address among public ones is enough to refuse: the system could pick it at the next attempt.
  if (!addresses.every(({ address }) => isAllowedAddress(address, allowed))) {
    throw new AppError("egress_refused", `Host "${name}" leads to an address that may not be connected to`);
  }
  const [{ address, family }] = addresses;
  return { address, family: family === 6 ? 6 : 4, servername: name };
}

async function findAddresses(name: string, rules: EgressRules): Promise<LookupAddress[]> {
  if (CANONICAL_IPV4.test(name) && isIPv4(name)) return [{ address: name, family: 4 }];
  if (isIPv6(name) && !name.includes("%")) return [{ address: name, family: 6 }];
  if (!DNS_NAME.test(name)) throw new AppError("egress_refused", "Give the host as a DNS name or a plain IP address");
  const resolve = rules.resolve ?? ((host) => lookup(host, { all: true }));
  try {
    const addresses = await withinTime(resolve(name), rules.timeoutMs ?? 5000);
    if (addresses.length > 0) return addresses;
  } catch (cause) {
    throw new AppError("egress_refused", `Host "${name}" cannot be resolved`, { cause });
  }
  throw new AppError("egress_refused", `Host "${name}" has no address`);
}

async function withinTime<T>(work: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`No answer within ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

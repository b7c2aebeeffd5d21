// Which addresses are the public internet: everything else (private, loopback, link-local, carrier NAT, multicast,
// metadata services, IPv4 inside IPv6) is refused to tenants. From the IANA special-purpose address registries.

import { BlockList, isIP } from "node:net";

const NOT_PUBLIC_V4 = [
  "0.0.0.0/8", // this network
  "10.0.0.0/8",
  "100.64.0.0/10", // carrier NAT; a cloud's metadata service at 100.100.100.200
  "127.0.0.0/8",
  "168.63.129.16/32", // a cloud's metadata service inside the public range
  "169.254.0.0/16", // link-local; metadata at 169.254.169.254
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24", // documentation
  "192.88.99.0/24", // 6to4 relays
  "192.168.0.0/16",
  "198.18.0.0/15", // benchmarks
  "198.51.100.0/24", // documentation
  "203.0.113.0/24", // documentation
  "224.0.0.0/4", // multicast
  "240.0.0.0/4", // reserved, broadcast
];

// In IPv6 only 2000::/3 is global unicast: that leaves out ::1, IPv4-mapped, NAT64, fc00::/7, fe80::/10 and ff00::/8.
const GLOBAL_V6 = "2000::/3";
const NOT_PUBLIC_V6 = [
  "2001::/23", // protocol assignments, Teredo, ORCHID
  "2001:db8::/32", // documentation
  "2002::/16", // 6to4: an IPv4 address inside
  "3fff::/20", // documentation
];

const notPublic = toBlockList([...NOT_PUBLIC_V4, ...NOT_PUBLIC_V6]);
const globalV6 = toBlockList([GLOBAL_V6]);

/** The CIDRs as a list that can be asked. @throws Error naming the first that is not a CIDR. */
export function toBlockList(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [, address, digits] = /^([0-9A-Fa-f.:]+)\/(\d{1,3})$/.exec(cidr) ?? [];
    const family = isIP(address ?? "");
    const prefix = Number(digits);
    if (family === 0 || prefix > (family === 4 ? 32 : 128)) {
      throw new Error(`"${cidr}" is not a network like 10.0.0.0/8`);
    }
    list.addSubnet(address, prefix, family === 4 ? "ipv4" : "ipv6");
  }
  return list;
}

/** Whether a connection may go to this address: it is public, or in the operator's list. Anything unclear is not. */
export function isAllowedAddress(address: string, allowed: BlockList): boolean {
  const family = isIP(address);
  if (family === 0 || address.includes("%")) return false;
  const kind = family === 4 ? "ipv4" : "ipv6";
  if (allowed.check(address, kind)) return true;
  if (family === 6 && !globalV6.check(address, kind)) return false;
  return !notPublic.check(address, kind);
}

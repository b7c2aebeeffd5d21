// The egress guard as services carry it: the operator's allow-list bound to the check.
import { type ResolvedHost, resolvePublic } from "./resolve.ts";

/** Decides what may be connected to on a tenant's behalf. */
export interface Egress {
  /** The address to connect to. @throws AppError `egress_refused`. */
  resolve(host: string): Promise<ResolvedHost>;
}

/** @param allow CIDRs of private networks that the operator opens on purpose. */
export function createEgress(allow: readonly string[]): Egress {
  return { resolve: (host) => resolvePublic(host, { allow }) };
}

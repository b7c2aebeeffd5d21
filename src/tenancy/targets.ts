// From a tenant to the context that the door needs: where its placement is, which login, and what signs its context.
// A customer's server is resolved and checked again each minute, and connected to by the address that was checked (R10).
import type { Origin, TenantContext } from "../db/doors.ts";
import type { Target } from "../db/pool.ts";
import type { Egress } from "../integrations/egress/egress.ts";
import { type Acting, signContext, signPermit } from "./context.ts";
import type { Placement, TenantRecord } from "./directory.ts";
import type { Servers } from "./servers.ts";

/** How long a customer's resolved address is used before it is resolved and checked again. */
const ADDRESS_LIFE_MS = 60_000;

/** What enters a tenant, beside the tenant. */
export interface Entering {
  /** Who acts, as `actorOf` in ../identity/principal.ts writes it; left out for the platform and whoever is not signed in. */
  actor?: string;
  /** What the caller was given: compared with what is in force by each statement. */
  access?: Acting["access"];
  /** Where the request came from, for the audit. */
  origin?: Origin;
  operation: string;
  requestId: string;
  readOnly: boolean;
  deadlineMs?: number;
}

/** Makes tenant contexts. */
export class TenantTargets {
  #addresses = new Map<string, { until: number; address: Promise<string> }>();
  #targets = new Map<string, { placement: Placement; target: Target }>();

  constructor(private readonly servers: Servers, private readonly egress: Egress) {}

  /** The context of one visit. Throws AppError `egress_refused` when a customer's server may not be connected to. */
  async context(tenant: Pick<TenantRecord, "id" | "placement">, entering: Entering): Promise<TenantContext> {
    const { id, placement } = tenant;
    const signer = this.servers.signer(placement.id, placement.key_id);
    return {
      target: placement.host ? await this.#byo(placement) : this.#own(placement),
      tenantId: id,
      sign: (pid) => signContext(signer, id, entering, pid),
      limited: entering.actor?.endsWith(":units"),
      caller: callerOf(placement, id, entering),
      permit: (proof, pid) => signPermit(signer, id, entering, pid, proof),
      operation: entering.operation,
      requestId: entering.requestId,
      origin: { ...entering.origin, request: entering.requestId },
      readOnly: entering.readOnly,
      deadlineMs: entering.deadlineMs,
    };
  }

  #own(placement: Placement): Target {
    const known = this.#targets.get(placement.id);
    if (known && known.placement.database === placement.database && known.placement.login === placement.login) {
      return known.target;
    }
    const target = this.servers.target(placement.database, placement.login);
    this.#targets.set(placement.id, { placement, target });
    return target;
  }

  async #byo(placement: Placement): Promise<Target> {
    const address = await this.#address(placement.host!);
    return {
      host: address,
      port: placement.port!,
      database: placement.database,
      user: placement.login,
      password: this.servers.password(placement.login),
      tls: { mode: placement.tls_mode, ca: placement.tls_ca ?? undefined, servername: placement.host! },
      applicationName: "bulkhead",
    };
  }

  #address(host: string): Promise<string> {
    const known = this.#addresses.get(host);
    if (known && known.until > Date.now()) return known.address;
    const address = this.egress.resolve(host).then((found) => found.address);
    this.#addresses.set(host, { until: Date.now() + ADDRESS_LIFE_MS, address });
    address.catch(() => this.#addresses.delete(host));
    return address;
  }
}

/** All that is signed beside backend and time: the key, the tenant, and who acts with which version of the rights. */
function callerOf({ id, key_id }: Placement, tenantId: string, { actor, access }: Entering): string {
  return `${id} ${key_id} ${tenantId} ${actor ?? "-"} ${access ? `${access.subject}:${access.version}` : "-"}`;
}

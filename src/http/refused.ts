// Tells the audit of a refused request: the tenant that was entered or named, and where a token of one tenant was used on
// another, both of them. Neither is told anything of the other's. Nothing here may delay or change the answer.
import { AppError } from "../errors.ts";
import { actorOf, type Principal } from "../identity/principal.ts";
import type { TenantRecord } from "../tenancy/directory.ts";
import { type Hosts, locate, requestHost } from "../tenancy/locate.ts";
import { type Refusal, refusalsOf } from "../tenancy/refusals.ts";
import type { Services } from "../tenancy/services.ts";
import { clientAddress } from "./client_address.ts";
import type { Route } from "./route.ts";

/** What is known of a request when it is refused. */
export interface Asked {
  request: Request;
  requestId: string;
  route: Route;
  /** The slug in the path, if there is one. */
  slug: string | null;
  /** The other parameters of the path. */
  params: Record<string, string>;
  principal: Principal | null;
  tenant: TenantRecord | null;
  origin: { address: string | null; agent: string | null };
}

/** What is told of a refused request: a part of its route is enough. */
export type Refused = Omit<Asked, "route" | "params"> & { route: Pick<Route, "operation" | "path"> };

/** Decisions about access. An expired token is none: programs find that out by asking. */
const DECISIONS = [
  "unauthorized",
  "invalid_credentials",
  "invalid_token",
  "forbidden",
  "tenant_mismatch",
  "context_refused",
  "too_many_attempts",
  "origin_refused",
];

/** Where a request came from, for sessions and the audit. */
export function originOf(request: Request): Asked["origin"] {
  const agent = request.headers.get("user-agent");
  return { address: clientAddress(request), agent: agent === null ? null : agent.slice(0, 400) };
}

/** Enters the refusal where it belongs, some time after the answer. */
export function tellRefusal(services: Services, hosts: Hosts, asked: Refused, error: unknown): void {
  if (!(error instanceof AppError) || !DECISIONS.includes(error.code)) return;
  refusalsOf(services).recordSoon(entriesOf(services, hosts, asked, error));
}

async function entriesOf(
  services: Services,
  hosts: Hosts,
  asked: Refused,
  error: AppError,
): Promise<[TenantRecord, Refusal][]> {
  const { principal, request, requestId, route, origin } = asked;
  const refusal: Refusal = {
    operation: route.operation,
    resource: `${request.method} ${route.path}`,
    proven: principal !== null,
    reason: error.code,
    requestId,
    origin,
  };
  const home = principal && principal.kind !== "operator" ? principal.tenantId : null;
  const visit = principal?.kind === "impersonator" ? { impersonating: principal.impersonationId } : {};
  const visitor = principal?.kind === "operator" ? actorOf(principal) : undefined;
  const named = asked.tenant ? [asked.tenant] : await namedBy(services, hosts, asked, error);
  return named.map((tenant) => [tenant, {
    ...refusal,
    actor: tenant.id === home && principal ? actorOf(principal) : visitor,
    // The program of another tenant's member is none of this tenant's business; the address is what it defends itself by.
    origin: home !== null && tenant.id !== home ? { ...origin, agent: null } : { ...origin, ...visit },
  }]);
}

/** The tenants that a request names which was refused before one was entered. */
async function namedBy(services: Services, hosts: Hosts, asked: Refused, error: AppError): Promise<TenantRecord[]> {
  if (error.code === "tenant_mismatch") return Array.isArray(error.cause) ? error.cause : [];
  const { request, slug, principal } = asked;
  const sources = {
    host: requestHost(request),
    path: slug,
    header: request.headers.get("x-tenant"),
    token: principal && principal.kind !== "operator" ? principal.tenantId : null,
  };
  const tenant = await locate(sources, hosts, services.directory, services.log).catch(() => null);
  return tenant ? [tenant] : [];
}

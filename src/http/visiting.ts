// An operator's visit inside a tenant as requests meet it: each is held against the platform, which knows what its operator may
// do now, and entered in the tenant's own audit before anything is done; each answer says that it is a visit's.
// What must not happen here: an act of a visit that the tenant cannot see afterwards.
import { AppError } from "../errors.ts";
import { actingAs, type ImpersonatorPrincipal } from "../identity/principal.ts";
import type { TenantRecord } from "../tenancy/directory.ts";
import type { Services } from "../tenancy/services.ts";
import type { Call, Route } from "./route.ts";

/** What a visitor asks for. */
export interface Act {
  route: Route;
  request: Request;
  requestId: string;
  origin: Call["origin"];
}

/**
 * Asks the platform whether the visit and its operator are still let in, and enters the act in the tenant's audit.
 * @throws AppError `unauthorized` when the visit has ended.
 */
export async function enterVisit(
  services: Services,
  tenant: TenantRecord,
  visitor: ImpersonatorPrincipal,
  { route, request, requestId, origin }: Act,
): Promise<void> {
  const entering = { ...actingAs(visitor), operation: route.operation, requestId };
  const visit = { kind: "visit", id: visitor.impersonationId, version: 0 };
  try {
    await services.doors.asPlatform({ ...entering, access: visit, readOnly: true }, (tx) => tx`select`);
    const from = { ...origin, impersonating: visitor.impersonationId };
    const context = await services.targets.context(tenant, { ...entering, origin: from, readOnly: false });
    const resource = `${request.method} ${route.path}`;
    const path = new URL(request.url).pathname;
    await services.doors.asTenant(context, (tx) => tx`select tenant.audit_visited(${resource}, ${path})`);
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== "access_changed") throw error;
    throw new AppError("unauthorized", "This visit has ended: ask for a new one");
  }
}

/** The header `X-Impersonation` of every answer to a visitor: `<e-mail>; read-only; until=<ISO time>`. */
export function bannerOf({ email, readOnly, expiresAt }: ImpersonatorPrincipal): string {
  const who = /^[\x21-\x7e]+$/.test(email) && !email.includes(";") ? email : encodeURIComponent(email);
  return `${who}; ${readOnly ? "read-only" : "read-write"}; until=${expiresAt.toISOString()}`;
}

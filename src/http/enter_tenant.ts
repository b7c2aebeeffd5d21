// Enters the tenant that the request names: all sources agree, the tenant is there and open, the caller is its member.
// Handlers never compare tenants; they get the one that was entered here.
import { AppError } from "../errors.ts";
import type { TenantRecord } from "../tenancy/directory.ts";
import { type Hosts, locate, requestHost } from "../tenancy/locate.ts";
import type { Services } from "../tenancy/services.ts";
import type { Shown } from "./authenticate.ts";

/**
 * The tenant of a request.
 * @param path The slug in `/t/{slug}/…`, or null.
 * @throws AppError `tenant_required`, `tenant_mismatch`, `not_found`, `unknown_host`, `tenant_unavailable`.
 */
export async function enterTenant(
  request: Request,
  path: string | null,
  shown: Shown | null,
  hosts: Hosts,
  services: Services,
): Promise<TenantRecord> {
  const sources = {
    host: requestHost(request),
    path,
    header: request.headers.get("x-tenant"),
    token: shown && shown.kind !== "operator" ? shown.tenantId : null,
  };
  const tenant = await locate(sources, hosts, services.directory, services.log);
  if (!tenant) {
    throw new AppError("tenant_required", 'Name the tenant by its host, "/t/{slug}/…", "X-Tenant" or a token');
  }
  if (tenant.status !== "active") {
    throw new AppError("tenant_unavailable", `The tenant is ${tenant.status}; ask its administrator or the operator`);
  }
  return tenant;
}

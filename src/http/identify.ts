// The caller behind an API key or a token of another issuer: looked up in the tenant, once a process. That it is still in
// force the database says with each statement, as for everyone.
import { AppError } from "../errors.ts";
import { actorOf, type KeyPrincipal, type OperatorPrincipal, type Principal } from "../identity/principal.ts";
import type { TenantRecord } from "../tenancy/directory.ts";
import { identifyToken } from "../tenancy/external/bearer.ts";
import { touchKey, touchOperatorKey } from "../tenancy/key_rows.ts";
import type { Services } from "../tenancy/services.ts";
import { acceptsKey } from "../tenancy/signing.ts";
import type { Shown } from "./authenticate.ts";

const NOTE_EVERY_MS = 60_000;
const MAX_NOTED = 10_000;

/** When each key's use was last noted by this process. */
const noted = new Map<string, number>();

/**
 * @param tenant The tenant that was entered; null on the platform.
 * @param request `beforeLookup` is called when a database has to be asked, and may throw: an address that has shown too much that is none.
 * @throws AppError `unauthorized` for a key that is unknown, revoked or expired, `token_expired` for a token whose signing
 * key the tenant has retired; what `identifyToken` throws.
 */
export async function identify(
  shown: Shown | null,
  tenant: TenantRecord | null,
  services: Services,
  request: { operation: string; requestId: string; beforeLookup(): void },
): Promise<Principal | null> {
  if (shown?.kind === "presented_token") {
    if (!tenant) throw new AppError("unauthorized", "The token's issuer is not trusted here");
    return await identifyToken(services, shown.token, { tenant, ...request });
  }
  if (shown?.kind !== "presented_key") {
    refuseRetiredKey(shown, tenant);
    return shown;
  }
  const known = services.access.knownKey(shown);
  if (known) return inUse(known, tenant, services);
  request.beforeLookup();
  const found = tenant
    ? await services.access.findTenantKey(services, tenant, shown)
    : await services.access.findOperatorKey(services, shown);
  if (!found) throw new AppError("unauthorized", "The API key is unknown, revoked or expired");
  return inUse(found, tenant, services);
}

/** Refreshing the session helps, as with a token that has expired. */
function refuseRetiredKey(shown: Principal | null, tenant: TenantRecord | null): void {
  if (!tenant || !shown || !("keyVersion" in shown) || shown.keyVersion === undefined) return;
  if (acceptsKey(tenant.signing, shown.keyVersion)) return;
  throw new AppError("token_expired", "The key that signed the access token was retired; refresh the session");
}

/** Notes the use, at most once a minute and beside the request. */
function inUse<P extends KeyPrincipal | OperatorPrincipal>(
  caller: P,
  tenant: TenantRecord | null,
  services: Services,
): P {
  const id = `${tenant?.id} ${caller.keyId}`;
  if (Date.now() - (noted.get(id) ?? 0) < NOTE_EVERY_MS) return caller;
  noted.delete(id);
  if (noted.size >= MAX_NOTED) noted.delete(noted.keys().next().value!);
  noted.set(id, Date.now());
  noteUse(caller, tenant, services).catch((error) =>
    services.log.warn("The use of an API key could not be noted", { key: caller.keyId, reason: String(error) })
  );
  return caller;
}

async function noteUse(caller: KeyPrincipal | OperatorPrincipal, tenant: TenantRecord | null, services: Services) {
  const visit = { actor: actorOf(caller), operation: "api_keys.note", requestId: "", readOnly: false };
  if (caller.kind === "operator") {
    await services.doors.asPlatform(visit, (tx) => touchOperatorKey(tx, caller.keyId!));
  } else if (tenant) {
    await services.doors.asTenant(await services.targets.context(tenant, visit), (tx) => touchKey(tx, caller.keyId));
  }
}

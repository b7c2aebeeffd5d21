// For which hosts passkeys are made: all tenants' hosts below the base domain share them, as accounts are shared. Hosts of a
// tenant's own take none: a passkey belongs to one domain.
import type { Call } from "../../http/route.ts";
import { createPasskeys, type Passkeys, type StoredPasskey } from "../../identity/passkeys.ts";
import type { Factor } from "../../tenancy/accounts/factor_store.ts";
import type { TenantRecord } from "../../tenancy/directory.ts";

/** Passkeys of people who sign in to the tenant. */
export function passkeysOf(call: Call, tenant: TenantRecord): Passkeys {
  const { config, publicUrl } = call.services;
  const url = new URL(publicUrl);
  const base = config.BASE_DOMAIN;
  const below = url.hostname === base || url.hostname.endsWith(`.${base}`);
  const port = url.port ? `:${url.port}` : "";
  const own = below ? [`${url.protocol}//${tenant.slug}.${base}${port}`] : [];
  return createPasskeys({ rpId: below ? base : url.hostname, name: "Bulkhead", origins: [url.origin, ...own] });
}

/** A passkey as it is kept, for checking. */
export function stored(factor: Factor): StoredPasskey {
  const { credential_id: id, public_key: publicKey, counter, transports } = factor;
  return { id: id!, publicKey: publicKey!, counter, transports, backedUp: false };
}

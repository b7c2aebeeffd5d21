// With which versions of a tenant's signing key tokens are signed, accepted and published. The keys themselves are derived
// (../identity/keys.ts): the next one can be published before it signs, so that whoever verifies our tokens knows it in time.
import { newId } from "../db/ids.ts";
import type { Tx } from "../db/sql.ts";

/** The state of a tenant's signing key. */
export interface Signing {
  /** The version that signs. */
  version: number;
  /** Until when the version before is accepted, as an ISO instant; null: it is not. */
  previous_until: string | null;
}

/** How long tokens of the version before are accepted, in seconds: longer than any token lives. */
export const OVERLAP_SECONDS = 65 * 60;

/** Whether tokens of this version are accepted. A later one than is known was signed by a process that knows more. */
export function acceptsKey(signing: Signing, version: number, now = Date.now()): boolean {
  return version >= signing.version || version === signing.version - 1 && overlaps(signing, now);
}

/** The versions whose public keys are published: those that are accepted, and the one that comes next. */
export function publishedKeys(signing: Signing, now = Date.now()): number[] {
  const { version } = signing;
  return [...(overlaps(signing, now) ? [version - 1] : []), version, version + 1];
}

/** Whether the last renewal is not over: tokens of the version before are still accepted. */
export function overlaps({ previous_until }: Signing, now = Date.now()): boolean {
  return previous_until !== null && Date.parse(previous_until) > now;
}

/**
 * Has the tenant sign with the next version, and tells of it as an event; no row while the one before the current is still
 * accepted, unless `atOnce`, which accepts no earlier one from now on.
 */
export function renewKey(tx: Tx, tenantId: string, atOnce: boolean) {
  return tx<Signing>`with renewed as (
      update platform.tenants set signing_version = signing_version + 1,
        signing_previous_until = case when not ${atOnce}::bool then now() + make_interval(secs => ${OVERLAP_SECONDS}) end
      where id = ${tenantId} and (${atOnce}::bool or signing_previous_until is null or signing_previous_until <= now())
      returning signing_version as version, signing_previous_until as previous_until
    ), told as (
      insert into platform.events (id, type, tenant_id, actor, data)
      select ${newId()}, 'tenant.signing_key_renewed', ${tenantId}, current_setting('app.actor'),
        jsonb_build_object('version', version, 'at_once', ${atOnce}::bool) from renewed
    )
    select version, previous_until from renewed`;
}

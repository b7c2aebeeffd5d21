// Statements on tenant.identity_providers. What takes trust away takes it at once: sessions that the issuer opened end, and
// the access of its people is read anew at their next statement.
import { json, sql, type Tx } from "../../db/sql.ts";
import type { Provider, ProviderRules } from "../../tenancy/external/providers.ts";
import { providerColumns } from "../../tenancy/external/providers.ts";
import { one } from "../statements.ts";
import type { ProviderFields } from "./model.ts";

const columns = sql`${providerColumns}, created_at, updated_at`;

/** A row of tenant.identity_providers. */
export interface StoredProvider extends Provider {
  created_at: string;
  updated_at: string;
}

/** All of them, by name; a tenant has few. */
export function listProviders(tx: Tx) {
  return tx<StoredProvider>`select ${columns} from tenant.identity_providers order by name, id limit 200`;
}

/** One of them; throws `not_found`. */
export function getProvider(tx: Tx, id: string) {
  return tx<StoredProvider>`select ${columns} from tenant.identity_providers where id = ${id}`.map(one);
}

/** The same, locked, before it is changed. */
export function lockProvider(tx: Tx, id: string) {
  return tx<StoredProvider>`select ${columns} from tenant.identity_providers where id = ${id} for update`.map(one);
}

function rulesOf(
  { algorithms, client_auth, claims: names, roles, required, trust_email }: ProviderFields,
): ProviderRules {
  return { algorithms, client_auth, names, roles, required, trust_email };
}

/** A provider to write. */
export type Writing = ProviderFields & { sealed: string | null };

/** Writes a new one; throws `already_exists` for an issuer that is there. */
export function insertProvider(tx: Tx, id: string, { name, issuer, client_id, sealed, ...rest }: Writing) {
  const { audience, jwks_uri, email_domains, joins, join_role, enabled } = rest;
  const rules = json(rulesOf({ name, issuer, client_id, ...rest }));
  return tx`insert into tenant.identity_providers (id, name, issuer, client_id, client_secret_sealed, audience, jwks_uri,
      claims, email_domains, joins, join_role, enabled)
    values (${id}, ${name}, ${issuer}, ${client_id}, ${sealed}, ${audience}, ${jwks_uri}, ${rules}, ${email_domains},
      ${joins}, ${join_role}, ${enabled})`;
}

/** Writes one that is there; the issuer stays, since its people are known by it. */
export function updateProvider(tx: Tx, id: string, { name, client_id, sealed, ...rest }: Writing) {
  const { audience, jwks_uri, email_domains, joins, join_role, enabled } = rest;
  const rules = json(rulesOf({ name, client_id, ...rest }));
  return tx`update tenant.identity_providers set name = ${name}, client_id = ${client_id}, client_secret_sealed = ${sealed},
      audience = ${audience}, jwks_uri = ${jwks_uri}, claims = ${rules}, email_domains = ${email_domains},
      joins = ${joins}, join_role = ${join_role}, enabled = ${enabled}, updated_at = now()
    where id = ${id}`;
}

/** Ends what an issuer's word has opened; before it is removed, or when it is turned off. */
export function endTrust(tx: Tx, id: string) {
  return tx`with people as (
      select distinct member_id from tenant.identities where provider_id = ${id}
    ), ended as (
      update tenant.sessions set revoked_at = now(), revoked_reason = 'revoked'
      where kind = 'external' and revoked_at is null and member_id in (select member_id from people)
    )
    update tenant.members set access_version = access_version + 1 where id in (select member_id from people)`;
}

/** Removes one, and with it who is who there; throws `not_found`. */
export function deleteProvider(tx: Tx, id: string) {
  return tx`delete from tenant.identity_providers where id = ${id} returning id`.map(one);
}

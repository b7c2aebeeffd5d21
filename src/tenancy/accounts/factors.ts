// Second factors of accounts: authenticator apps, passkeys, recovery codes. Codes count once: the step of a code and the
// counter of a passkey only ever go up, and the statement that raises them is the one that lets somebody in.
import { Buffer } from "node:buffer";
import type { Tx } from "../../db/sql.ts";

/** A factor as it is checked. */
export interface Factor {
  id: string;
  kind: "totp" | "passkey";
  name: string;
  secret_sealed: string | null;
  credential_id: string | null;
  public_key: Uint8Array<ArrayBuffer> | null;
  counter: number;
  transports: string[];
  confirmed: boolean;
  created_at: string;
  last_used_at: string | null;
}

/** An account has at most so many. */
export const MAX_FACTORS = 10;

const PURPOSE = "totp";
/** What a shared secret is sealed for. */
export const factorScope = (id: string) => ({ purpose: PURPOSE, id });

/** Confirmed factors of an account, and the one with `id` also before it is confirmed. */
export function listFactors(tx: Tx, accountId: string, id: string | null = null) {
  return tx<
    Factor
  >`select id, kind, name, secret_sealed, credential_id, public_key, counter::float8 as counter, transports,
      confirmed_at is not null as confirmed, created_at, last_used_at
    from platform.account_factors where account_id = ${accountId} and (confirmed_at is not null or id = ${id})
    order by created_at, id`;
}

/** How many recovery codes an account has left. */
export function countRecoveryCodes(tx: Tx, accountId: string) {
  return tx<{ left: number }>`select count(*)::int as left from platform.recovery_codes
    where account_id = ${accountId} and used_at is null`.map((rows) => rows[0].left);
}

/** The passkey with a credential id, of whatever account. */
export function findPasskey(tx: Tx, credentialId: string) {
  return tx<
    Factor & { account_id: string }
  >`select account_id, id, kind, name, secret_sealed, credential_id, public_key,
      counter::float8 as counter, transports, true as confirmed, created_at, last_used_at
    from platform.account_factors where credential_id = ${credentialId} and confirmed_at is not null`.map((rows) =>
    rows[0]
  );
}

/** Keeps an authenticator app that is not confirmed yet; earlier unconfirmed ones are forgotten. */
export function keepTotp(tx: Tx, factor: { id: string; accountId: string; name: string; sealed: string }) {
  return tx`with old as (
      delete from platform.account_factors where account_id = ${factor.accountId} and confirmed_at is null
    )
    insert into platform.account_factors (id, account_id, kind, name, secret_sealed)
    select ${factor.id}, ${factor.accountId}, 'totp', ${factor.name}, ${factor.sealed}
    where (select count(*) from platform.account_factors where account_id = ${factor.accountId}
      and confirmed_at is not null) < ${MAX_FACTORS}
    returning id`.map((rows) => rows.length > 0);
}

/** A passkey to keep. */
export interface NewPasskey {
  id: string;
  accountId: string;
  name: string;
  credentialId: string;
  publicKey: Uint8Array;
  counter: number;
  transports: string[];
}

/** Keeps a passkey; its registration is its confirmation. */
export async function keepPasskey(tx: Tx, key: NewPasskey): Promise<boolean> {
  const [made] = await tx`insert into platform.account_factors
      (id, account_id, kind, name, credential_id, public_key, counter, transports)
    select ${key.id}, ${key.accountId}, 'passkey', ${key.name}, ${key.credentialId}, ${key.publicKey}, ${key.counter},
      ${key.transports}::text[]
    where (select count(*) from platform.account_factors where account_id = ${key.accountId}
      and confirmed_at is not null) < ${MAX_FACTORS}
    returning id`;
  if (!made) return false;
  await tx`update platform.account_factors set confirmed_at = now() where id = ${key.id}`;
  return true;
}

/** Notes that a factor was used, at a step or counter later than all before; false when it is not later. */
export function useFactor(tx: Tx, id: string, counter: number) {
  return tx`update platform.account_factors set counter = ${counter}, last_used_at = now(),
      confirmed_at = coalesce(confirmed_at, now())
    where id = ${id} and (counter < ${counter} or (kind = 'passkey' and counter = 0 and ${counter} = 0))
    returning id`.map((rows) => rows.length > 0);
}

/** Uses a recovery code up; false when there is no such unused one. */
export function useRecoveryCode(tx: Tx, accountId: string, hash: Uint8Array) {
  return tx`update platform.recovery_codes set used_at = now()
    where account_id = ${accountId} and code_hash = ${hash} and used_at is null returning code_hash`.map((rows) =>
    rows.length > 0
  );
}

/** Replaces all recovery codes. */
export async function replaceRecoveryCodes(tx: Tx, accountId: string, hashes: Uint8Array[]): Promise<void> {
  await tx`delete from platform.recovery_codes where account_id = ${accountId}`;
  const hex = hashes.map((hash) => Buffer.from(hash).toString("hex"));
  await tx`insert into platform.recovery_codes (account_id, code_hash)
    select ${accountId}, decode(hash, 'hex') from unnest(${hex}::text[]) hash`;
}

/** Removes a factor, and with the last one the recovery codes; false when the account has no such factor. */
export async function removeFactor(tx: Tx, accountId: string, id: string): Promise<boolean> {
  const [removed] =
    await tx`delete from platform.account_factors where account_id = ${accountId} and id = ${id} returning id`;
  if (!removed) return false;
  await tx`delete from platform.recovery_codes where account_id = ${accountId}
    and not exists (select from platform.account_factors where account_id = ${accountId} and confirmed_at is not null)`;
  return true;
}

/** Removes all factors and recovery codes: an operator has made sure by other means who it is. */
export async function removeFactors(tx: Tx, accountId: string): Promise<void> {
  await tx`delete from platform.account_factors where account_id = ${accountId}`;
  await tx`delete from platform.recovery_codes where account_id = ${accountId}`;
}

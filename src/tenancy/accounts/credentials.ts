// What signing in reads of an account, in one statement: password, membership, factors, and whether it has to wait. For an
// unknown address the same statement gives the waiting alone.
import type { Fragment, Tx } from "../../db/sql.ts";
import { sql } from "../../db/sql.ts";
import type { LockKeys } from "./lockout.ts";

/** An account as signing in reads it. */
export interface Credentials {
  /** Seconds to wait, whether there is such an account or not. */
  wait: number | null;
  /** From when a session counts that begins with what was read here: Unix seconds, not before `sessions_after`. */
  now: number;
  /** Null: there is no such account. */
  account: {
    id: string;
    digest: Uint8Array;
    passwordHash: string | null;
    mustChangePassword: boolean;
    active: boolean;
    /** The member that it is in the tenant; null when it is none there. */
    memberId: string | null;
    /** Kinds of its confirmed factors, each once. */
    factors: ("totp" | "passkey")[];
  } | null;
}

interface Row {
  wait: number | null;
  now: number;
  id: string | null;
  email_digest: Uint8Array;
  password_hash: string | null;
  must_change_password: boolean;
  status: string;
  member_id: string | null;
  factors: ("totp" | "passkey")[];
}

function read(tx: Tx, which: Fragment, tenantId: string, keys: LockKeys | null) {
  return tx<Row>`select (select extract(epoch from max(locked_until) - now())::float8 from platform.login_failures
        where key in (${keys?.account ?? null}, ${keys?.address ?? null}) and locked_until > now()) as wait,
      greatest(floor(extract(epoch from now())), extract(epoch from a.sessions_after))::float8 as now, a.id, a.email_digest, a.password_hash, a.must_change_password, a.status, m.member_id,
      array(select distinct f.kind from platform.account_factors f
        where f.account_id = a.id and f.confirmed_at is not null order by f.kind desc) as factors
    from (select) nobody left join platform.accounts a on ${which}
      left join platform.memberships m on m.account_id = a.id and m.tenant_id = ${tenantId}`.map(([row]) =>
    toCredentials(row)
  );
}

function toCredentials(row: Row): Credentials {
  const { wait, now, id, email_digest: digest, password_hash: passwordHash, factors } = row;
  if (id === null) return { wait, now, account: null };
  const { must_change_password: mustChangePassword, member_id: memberId } = row;
  const active = row.status === "active";
  return { wait, now, account: { id, digest, passwordHash, mustChangePassword, active, memberId, factors } };
}

/** By the digest of the address; without keys nothing is said of waiting. */
export function findCredentials(tx: Tx, digest: Uint8Array, tenantId: string, keys: LockKeys | null) {
  return read(tx, sql`a.email_digest = ${digest}`, tenantId, keys);
}

/** By the account's id, of somebody who is signed in or nearly; without the waiting. */
export function getCredentials(tx: Tx, id: string, tenantId: string) {
  return read(tx, sql`a.id = ${id}`, tenantId, null);
}

/**
 * Whether the account may go on with a session in the tenant that began with its password at this Unix second; not where it
 * must change the password, unless it `mustChangePassword` anyway, nor where it has a second factor that was not shown.
 */
export function maySessionGoOn(
  tx: Tx,
  session: { accountId: string; tenantId: string; authenticatedAt: number; mfa: boolean; mustChangePassword?: boolean },
) {
  return tx<{ goes_on: boolean }>`select exists (select from platform.accounts a
      join platform.memberships m on m.account_id = a.id and m.tenant_id = ${session.tenantId}
      where a.id = ${session.accountId} and a.status = 'active'
        and (${session.mfa} or not exists (select from platform.account_factors f
          where f.account_id = a.id and f.confirmed_at is not null))
        and (${
    session.mustChangePassword ?? false
  } or not a.must_change_password) and a.sessions_after <= to_timestamp(${session.authenticatedAt})) as goes_on`.map((
    rows,
  ) => rows[0].goes_on);
}

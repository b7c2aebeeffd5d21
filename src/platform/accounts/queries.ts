// Statements on accounts for operators, who know an address and what has been verified by other means.
import type { Tx } from "../../db/sql.ts";
import { sessionsEnd } from "../../tenancy/accounts.ts";

/** What can be told of an account; the address is not known here. */
export interface AccountState {
  id: string;
  status: "active" | "disabled";
  must_change_password: boolean;
  created_at: string;
  last_login_at: string | null;
  password_changed_at: string | null;
  factors: number;
  tenants: number;
}

/** The account of an address. */
export function showAccount(tx: Tx, digest: Uint8Array) {
  return tx<
    AccountState
  >`select a.id, a.status, a.must_change_password, a.created_at, a.last_login_at, a.password_changed_at,
      (select count(*)::int from platform.account_factors f where f.account_id = a.id and f.confirmed_at is not null) as factors,
      (select count(*)::int from platform.memberships m where m.account_id = a.id) as tenants
    from platform.accounts a where a.email_digest = ${digest}`.map((rows) => rows[0]);
}

/** Requires a new password; sessions that began before end. */
export function requirePasswordChange(tx: Tx, id: string) {
  return tx`update platform.accounts set must_change_password = true, sessions_after = ${sessionsEnd} where id = ${id}`;
}

/** Lets an account sign in or not; when not, its sessions end. */
export function setAccountStatus(tx: Tx, id: string, status: AccountState["status"]) {
  return tx`update platform.accounts set status = ${status},
    sessions_after = case when ${status} = 'disabled' then ${sessionsEnd} else sessions_after end where id = ${id}`;
}

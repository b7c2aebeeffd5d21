// Operators in the database. Hashes are read for logging in only. Whatever changes what somebody may do makes
// access_version grow: tokens that were issued before are refused at their next statement.
import { newId } from "../../db/ids.ts";
import { type Query, type Rows, sql, type Tx } from "../../db/sql.ts";
import type { Page } from "../../http/paging.ts";
import type { LockKeys } from "../../tenancy/accounts/lockout.ts";
import type { NewOperator, Operator, OperatorChange, OperatorQuery } from "./model.ts";

const COLUMNS = sql`id, email, first_name, last_name, role, status, last_login_at, created_at,
  exists (select from platform.operator_factors f where f.operator_id = operators.id and f.confirmed_at is not null)
    as second_factor`;

/** An operator with the version that tokens carry. */
export type Versioned = Operator & { access_version: number };

/** What logging in reads: all null but the waiting for an unknown address. */
export interface Credentials {
  /** Seconds to wait. */
  wait: number | null;
  id: string | null;
  password_hash: string | null;
  active: boolean | null;
  access_version: number | null;
  /** Whether a second factor is asked for. */
  second_factor: boolean;
}

/** Who has shown a password, or is signed in, and by which version of the access. */
export interface Seen {
  id: string;
  accessVersion: number;
}

/** How an address may log in, and whether it has to wait. */
export function findCredentials(tx: Tx, email: string, { account, address }: LockKeys): Query<Credentials> {
  return tx<Credentials>`select (select extract(epoch from max(locked_until) - now())::float8
        from platform.login_failures where key in (${account}, ${address}) and locked_until > now()) as wait,
      o.id, o.password_hash, o.status = 'active' as active, o.access_version, exists (
        select from platform.operator_factors f where f.operator_id = o.id and f.confirmed_at is not null
      ) as second_factor
    from (select) nobody left join platform.operators o on o.email_key = ${email.trim().toLowerCase()}`
    .map((rows) => rows[0]);
}

/** One operator, active or not, or undefined. */
export function findOperator(tx: Tx, id: string): Query<Operator | undefined> {
  return tx<Operator>`select ${COLUMNS} from platform.operators where id = ${id}`.map((rows) => rows[0]);
}

/** A page of operators. */
export function listOperators(tx: Tx, filter: OperatorQuery, page: Page): Query<Rows<Operator>> {
  const role = filter.role === undefined ? sql`true` : sql`role = ${filter.role}`;
  const status = filter.status === undefined ? sql`true` : sql`status = ${filter.status}`;
  return tx<Operator>`select ${COLUMNS} from platform.operators where ${role} and ${status} and ${page.where}
    order by ${page.orderBy} limit ${page.limit}`;
}

/** Notes a login; gives the operator, or undefined if what it may do has changed since the password was read. */
export function noteLogin(tx: Tx, { id, accessVersion }: Seen): Query<Versioned | undefined> {
  return tx<Versioned>`update platform.operators set last_login_at = now()
    where id = ${id} and status = 'active' and access_version = ${accessVersion} returning ${COLUMNS}, access_version`
    .map((rows) => rows[0]);
}

/** Adds an operator who cannot log in yet. Throws `already_exists`. */
export function insertOperator(tx: Tx, body: NewOperator): Query<Operator> {
  return tx<Operator>`insert into platform.operators (id, email, first_name, last_name, role)
    values (${newId()}, ${body.email}, ${body.first_name}, ${body.last_name}, ${body.role}) returning ${COLUMNS}`
    .map((rows) => rows[0]);
}

/** Waits until no other change of operators runs, then looks again whether who asks for this one is still let in. */
export async function lockOperators(tx: Tx, caller: { id: string; accessVersion: number }): Promise<void> {
  await tx`select pg_advisory_xact_lock(hashtextextended('operators', 0))`;
  await tx`select platform.check_access('operator', ${caller.id}, ${caller.accessVersion})`;
}

/** How many superadmins can log in, beside this one. Call it after `lockOperators`. */
export function countOtherSuperadmins(tx: Tx, id: string): Query<number> {
  return tx<{ others: number }>`select count(*)::int as others from platform.operators
    where role = 'superadmin' and status = 'active' and password_hash is not null and id <> ${id}`
    .map((rows) => rows[0].others);
}

/** Changes an operator. Another role or status ends tokens, visits and links. */
export async function updateOperator(tx: Tx, before: Operator, change: OperatorChange): Promise<Operator> {
  const { first_name, last_name, role, status } = { ...before, ...change };
  const access = role !== before.role || status !== before.status;
  const [changed] = await tx<Operator>`with visits as (
      update platform.impersonations set ended_at = now()
      where ${access} and operator_id = ${before.id} and ended_at is null and expires_at > now()
    ), links as (
      update platform.operator_tokens set used_at = now()
      where ${status} = 'disabled' and operator_id = ${before.id} and used_at is null
    )
    update platform.operators set first_name = ${first_name}, last_name = ${last_name}, role = ${role},
      status = ${status}, access_version = access_version + ${access}::boolean::int
    where id = ${before.id} returning ${COLUMNS}`;
  return changed;
}

/** Ends all tokens that were issued before. Undefined: that was done meanwhile. */
export function endTokens(tx: Tx, { id, accessVersion }: Seen): Query<Versioned | undefined> {
  return tx<Versioned>`update platform.operators set access_version = access_version + 1
    where id = ${id} and status = 'active' and access_version = ${accessVersion} returning ${COLUMNS}, access_version`
    .map((rows) => rows[0]);
}

/** Ends an operator's tokens and visits, whatever its status. False: there is none. */
export function endAccess(tx: Tx, id: string): Query<boolean> {
  return tx`with visits as (
      update platform.impersonations set ended_at = now()
      where operator_id = ${id} and ended_at is null and expires_at > now()
    )
    update platform.operators set access_version = access_version + 1 where id = ${id} returning id`.map((rows) =>
    rows.length > 0
  );
}

/**
 * Sets the password; all tokens that were issued before end. Undefined: disabled meanwhile, or the access is not that of
 * `accessVersion` any more; null where a link was shown, which is good for every access.
 */
export function setPassword(
  tx: Tx,
  { id, accessVersion }: { id: string; accessVersion: number | null },
  passwordHash: string,
): Query<Versioned | undefined> {
  return tx<
    Versioned
  >`update platform.operators set password_hash = ${passwordHash}, access_version = access_version + 1
    where id = ${id} and status = 'active' and (${accessVersion}::int is null or access_version = ${accessVersion})
    returning ${COLUMNS}, access_version`.map((rows) => rows[0]);
}

/** Keeps a link; earlier ones of the operator stop working. */
export function keepLink(
  tx: Tx,
  operatorId: string,
  link: { hash: Uint8Array; expiresAt: Date },
): Query<Rows<unknown>> {
  return tx`with old as (
      update platform.operator_tokens set used_at = now() where operator_id = ${operatorId} and used_at is null
    )
    insert into platform.operator_tokens (token_hash, operator_id, expires_at)
    values (${link.hash}, ${operatorId}, ${link.expiresAt})`;
}

/** Whose link this is, while it can be used; `first`: there is no password yet. */
export function findLink(
  tx: Tx,
  hash: Uint8Array,
): Query<{ id: string; email: string; first: boolean } | undefined> {
  return tx<{ id: string; email: string; first: boolean }>`select o.id, o.email, o.password_hash is null as first
    from platform.operator_tokens t join platform.operators o on o.id = t.operator_id
    where t.token_hash = ${hash} and t.used_at is null and t.expires_at > now() and o.status = 'active'`
    .map((rows) => rows[0]);
}

/** Uses a link up; false when another request was first. */
export function useLink(tx: Tx, hash: Uint8Array): Query<boolean> {
  return tx`update platform.operator_tokens set used_at = now()
    where token_hash = ${hash} and used_at is null and expires_at > now() returning token_hash`
    .map((rows) => rows.length > 0);
}

/** Who the first operator is; `passwordHash` is argon2id. */
export interface FirstOperator {
  email: string;
  passwordHash: string;
}

/** Makes the first operator, a superadmin, as long as there is none. Gives whether it was made. */
export function ensureFirstOperator(tx: Tx, operator: FirstOperator): Query<boolean> {
  return tx`insert into platform.operators (id, email, password_hash, first_name, last_name, role)
    select ${newId()}, ${operator.email}, ${operator.passwordHash}, 'First', 'Operator', 'superadmin'
    where not exists (select from platform.operators)
    on conflict (email_key) do nothing`.map((rows) => rows.count > 0);
}

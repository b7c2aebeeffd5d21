// Statements on platform.operator_keys. What a request shows is looked up by ../../tenancy/key_rows.ts.
import { newId } from "../../db/ids.ts";
import { type Query, type Rows, sql, type Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import type { Page } from "../../http/paging.ts";
import type { OperatorKey, OperatorKeyRotation, OperatorRole } from "./model.ts";

const COLUMNS = sql`id, operator_id, name, hint, role, expires_at, last_used_at, revoked_at, replaces, created_at`;
const LIVE = sql`revoked_at is null and (expires_at is null or expires_at > now())`;

/** A page of keys, of one operator or of all. */
export function listKeys(tx: Tx, operatorId: string | null, page: Page): Query<Rows<OperatorKey>> {
  const whose = operatorId === null ? sql`true` : sql`operator_id = ${operatorId}`;
  return tx<OperatorKey>`select ${COLUMNS} from platform.operator_keys where ${whose} and ${page.where}
    order by ${page.orderBy} limit ${page.limit}`;
}

/** What is kept of a new key. */
export interface KeptKey {
  operatorId: string;
  hash: Uint8Array;
  hint: string;
}

/** Keeps a new key. */
export function insertKey(
  tx: Tx,
  { operatorId, hash, hint }: KeptKey,
  { name, role, expires_at }: { name: string; role: OperatorRole; expires_at: string | null },
): Query<OperatorKey> {
  return tx<OperatorKey>`insert into platform.operator_keys (id, operator_id, name, hint, key_hash, role, expires_at)
    values (${newId()}, ${operatorId}, ${name}, ${hint}, ${hash}, ${role}, ${expires_at}) returning ${COLUMNS}`
    .map((rows) => rows[0]);
}

/**
 * A new key in the place of a live one of the same operator, which ends `overlap_hours` from now; undefined: there is none.
 * @throws AppError `invalid_state` for a key that has a live one in its place already, also of two at once.
 */
export async function rotateKey(
  tx: Tx,
  id: string,
  { operatorId, hash, hint }: KeptKey,
  { overlap_hours: overlapHours, expires_at: until }: OperatorKeyRotation,
): Promise<OperatorKey | undefined> {
  const mine = sql`id = ${id} and operator_id = ${operatorId} and ${LIVE}`;
  await tx`select from platform.operator_keys where ${mine} for update`; // the next statement sees who was first
  const [next] = await tx<{ id: string }>`select id from platform.operator_keys
    where replaces = ${id} and ${LIVE} and exists (select from platform.operator_keys where ${mine}) limit 1`;
  if (next) {
    throw new AppError("invalid_state", `The key "${next.id}" is in its place already: rotate or revoke that one`);
  }
  const [row] = await tx<OperatorKey>`with found as (
      select id, name, role, expires_at from platform.operator_keys where ${mine}
    ), shortened as (
      update platform.operator_keys set expires_at = least(expires_at, now() + make_interval(hours => ${overlapHours}))
      where id in (select id from found)
    )
    insert into platform.operator_keys (id, operator_id, name, hint, key_hash, role, expires_at, replaces)
    select ${newId()}, ${operatorId}, name, ${hint}, ${hash}, role,
      case when ${until === undefined} then expires_at else ${until ?? null} end, id
    from found returning ${COLUMNS}`;
  return row;
}

/** Ends a key at once, of this operator or of any; one that has ended stays as it is. Undefined: there is none. */
export function revokeKey(tx: Tx, id: string, operatorId: string | null): Query<OperatorKey | undefined> {
  const whose = operatorId === null ? sql`true` : sql`operator_id = ${operatorId}`;
  return tx<OperatorKey>`update platform.operator_keys set revoked_at = coalesce(revoked_at, now())
    where id = ${id} and ${whose} returning ${COLUMNS}`.map((rows) => rows[0]);
}

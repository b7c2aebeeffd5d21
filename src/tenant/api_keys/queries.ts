// Statements on tenant.api_keys. Every change makes access_version grow, so that it bites at the key's next statement.
import { json, sql, type Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { page } from "../../http/paging.ts";
import { all, one } from "../statements.ts";
import type { ApiKey, KeyChange, KeyQuery, NewKey, Rotation } from "./model.ts";

const columns = sql`id, name, hint, permissions, expires_at, requests_per_minute, created_by, last_used_at, revoked_at,
  replaces, created_at, updated_at`;
const live = sql`revoked_at is null and (expires_at is null or expires_at > now())`;

/** One page of keys, and one row more if there are any. */
export function listKeys(tx: Tx, query: KeyQuery) {
  const { where, orderBy, limit } = page(query, { columns: { created_at: sql`created_at` }, id: sql`id` });
  const wanted = all([
    query.live === "true" ? live : query.live === "false" ? sql`not (${live})` : sql`true`,
    where,
  ]);
  return tx<ApiKey>`select ${columns} from tenant.api_keys where ${wanted} order by ${orderBy} limit ${limit}`;
}

/** One key; throws `not_found`. */
export function getKey(tx: Tx, id: string) {
  return tx<ApiKey>`select ${columns} from tenant.api_keys where id = ${id}`.map(one);
}

/** What is kept of a new key. */
export interface KeptKey {
  hash: Uint8Array;
  hint: string;
  createdBy: string | null;
}

/** Keeps a new key. */
export function createKey(tx: Tx, body: NewKey, kept: KeptKey) {
  return tx<
    ApiKey
  >`insert into tenant.api_keys (name, hint, key_hash, permissions, expires_at, requests_per_minute, created_by)
    values (${body.name}, ${kept.hint}, ${kept.hash}, ${json(body.permissions)}, ${body.expires_at},
      ${body.requests_per_minute}, ${kept.createdBy}) returning ${columns}`.map(one);
}

/** Changes a live key; throws `not_found`. */
export function updateKey(tx: Tx, id: string, body: KeyChange) {
  const set = (name: keyof KeyChange) => body[name] !== undefined;
  return tx<ApiKey>`update tenant.api_keys set
      name = case when ${set("name")} then ${body.name ?? null} else name end,
      permissions = case when ${set("permissions")} then ${json(body.permissions ?? {})} else permissions end,
      expires_at = case when ${set("expires_at")} then ${body.expires_at ?? null} else expires_at end,
      requests_per_minute = case when ${set("requests_per_minute")} then ${body.requests_per_minute ?? null}
        else requests_per_minute end,
      access_version = access_version + 1, updated_at = now()
    where id = ${id} and ${live} returning ${columns}`.map(one);
}

/** Ends a key at once; one that has ended stays as it is. Throws `not_found`. */
export function revokeKey(tx: Tx, id: string) {
  return tx<ApiKey>`update tenant.api_keys set revoked_at = coalesce(revoked_at, now()),
    access_version = access_version + 1, updated_at = now() where id = ${id} returning ${columns}`.map(one);
}

/**
 * A new key in the place of a live one, which ends `overlap_hours` from now. Ask after `lockAccess`: of two at once the
 * second is refused. Throws `not_found`, and `invalid_state` for a key that has a live one in its place already.
 */
export async function rotateKey(
  tx: Tx,
  id: string,
  { hash, hint, createdBy }: KeptKey,
  { overlap_hours: overlapHours, expires_at: until }: Rotation,
): Promise<ApiKey> {
  const [next] = await tx<{ id: string }>`select id from tenant.api_keys where replaces = ${id} and ${live}
    and exists (select from tenant.api_keys where id = ${id} and ${live}) limit 1`;
  if (next) {
    throw new AppError("invalid_state", `The key "${next.id}" is in its place already: rotate or revoke that one`);
  }
  return await tx<ApiKey>`with found as (
      select id, name, permissions, requests_per_minute, expires_at from tenant.api_keys where id = ${id} and ${live}
    ), shortened as (
      update tenant.api_keys set access_version = access_version + 1, updated_at = now(),
        expires_at = least(expires_at, now() + make_interval(hours => ${overlapHours}))
      where id in (select id from found)
    )
    insert into tenant.api_keys (name, hint, key_hash, permissions, expires_at, requests_per_minute, created_by, replaces)
    select name, ${hint}, ${hash}, permissions,
      case when ${until === undefined} then expires_at else ${until ?? null} end, requests_per_minute, ${createdBy}, id
    from found returning ${columns}`.map(one);
}

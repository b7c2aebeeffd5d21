// Statements on tenant.audit. Row-level security narrows each to the entered tenant; entries are made by the database alone.
import { type Fragment, json, sql, type Tx } from "../../db/sql.ts";
import { page } from "../../http/paging.ts";
import { all, equals, one } from "../statements.ts";
import type { AuditFilter, AuditQuery } from "./model.ts";
import type { Entry, Head } from "./offline.ts";

/** Every field as text exactly as it was hashed. */
const columns =
  sql`a.tenant_id, a.seq, to_char(a.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as at, a.actor,
  a.origin, a.operation, a.action, a.resource, a.resource_id, encode(a.prev_hash, 'hex') as prev_hash,
  encode(a.hash, 'hex') as hash, a.changes::text as changes`;

type Row = Omit<Entry, "seq"> & { seq: string };

function wanted(filter: AuditFilter): Fragment {
  return all([
    equals(sql`a.actor`, filter.actor),
    equals(sql`a.action`, filter.action),
    equals(sql`a.operation`, filter.operation),
    equals(sql`a.resource`, filter.resource),
    equals(sql`a.resource_id`, filter.resource_id),
    filter.since === undefined ? sql`true` : sql`a.at >= ${filter.since}`,
    filter.until === undefined ? sql`true` : sql`a.at < ${filter.until}`,
  ]);
}

const numbered = (row: Row): Entry => ({ ...row, seq: Number(row.seq) });

/** Enters a change of something of the tenant's that the platform keeps; it comes before the change. */
export function noteOutside(tx: Tx, resource: string, changes: Record<string, unknown>) {
  return tx`select tenant.audit_outside(${resource}, ${json(changes)})`;
}

/** One page of entries, and one more if there are any. */
export function listEntries(tx: Tx, query: AuditQuery) {
  const { where, orderBy, limit } = page(query, { columns: { seq: sql`a.seq` }, id: sql`a.seq` });
  return tx<Row>`
    select ${columns} from tenant.audit a where ${wanted(query)} and ${where} order by ${orderBy} limit ${limit}`
    .map((rows) => rows.map(numbered));
}

/** One entry; throws `not_found`. */
export function getEntry(tx: Tx, seq: number) {
  return tx<Row>`select ${columns} from tenant.audit a where a.seq = ${seq}`.map((rows) => numbered(one(rows)));
}

/** A piece of the chain, and where the chain ends, both at one moment. */
export interface Piece {
  entries: Entry[];
  head: Head | null;
}

/** The next entries after `after`, oldest first, up to `to` if given. */
export function nextEntries(
  tx: Tx,
  { after, to, limit, filter = {} }: { after: number; to?: number; limit: number; filter?: AuditFilter },
) {
  return tx<Row & { head_seq: string | null; head_hash: string | null; entry: boolean }>`
    select h.seq as head_seq, encode(h.hash, 'hex') as head_hash, a.seq is not null as entry, a.*
    from (select) one left join tenant.audit_head() h on true left join lateral (
      select ${columns} from tenant.audit a
      where a.seq > ${after} and ${to === undefined ? sql`true` : sql`a.seq <= ${to}`} and ${wanted(filter)}
      order by a.seq limit ${limit}) a on true
    order by a.seq`.map((rows): Piece => {
    const { head_seq, head_hash } = rows[0];
    return {
      entries: rows.filter((row) => row.entry).map(({ head_seq: _, head_hash: __, entry: ___, ...row }) =>
        numbered(row)
      ),
      head: head_seq === null ? null : { seq: Number(head_seq), hash: head_hash! },
    };
  });
}

/** Where the chain ends, and which hash its entry `seq` has; null for what is not there. */
export function endOfChain(tx: Tx, seq: number) {
  return tx<{ seq: string | null; hash: string | null; earlier: string | null }>`
    select h.seq, encode(h.hash, 'hex') as hash, encode(a.hash, 'hex') as earlier
    from (select) one left join tenant.audit_head() h on true left join tenant.audit a on a.seq = ${seq}`
    .map(([row]) => ({
      head: row.seq === null ? null : { seq: Number(row.seq), hash: row.hash! },
      earlier: row.earlier,
    }));
}

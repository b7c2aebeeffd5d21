// Statements on tenant.impersonations. Rows are only added and ended: the tenant sees who was there.
import { sql, type Tx } from "../../db/sql.ts";
import { page } from "../../http/paging.ts";
import type { BegunVisit } from "../../tenancy/visits.ts";
import { one } from "../statements.ts";
import type { Visit, VisitQuery } from "./model.ts";

const columns = sql`id, operator_id, operator_email, reason, read_only, started_at, expires_at, ended_at`;

/** Notes that a visit begins. */
export function noteVisit(tx: Tx, visit: BegunVisit) {
  return tx<Visit & { access_version: number }>`
    insert into tenant.impersonations (id, operator_id, operator_email, reason, read_only, expires_at)
    values (${visit.id}, ${visit.operator_id}, ${visit.operator_email}, ${visit.reason}, ${visit.read_only},
      ${visit.expires_at}) returning ${columns}, access_version`.map(one);
}

/** One page of visits, and one row more if there are any. */
export function listVisits(tx: Tx, query: VisitQuery) {
  const { where, orderBy, limit } = page(query, { columns: { started_at: sql`started_at` }, id: sql`id` });
  return tx<Visit>`select ${columns} from tenant.impersonations where ${where} order by ${orderBy} limit ${limit}`;
}

/** Ends a visit at its next statement. Throws `not_found`. */
export function endVisit(tx: Tx, id: string) {
  return tx<Visit>`update tenant.impersonations set ended_at = coalesce(ended_at, now()),
    access_version = access_version + 1 where id = ${id} returning ${columns}`.map(one);
}

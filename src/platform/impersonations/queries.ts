// Statements on platform.impersonations: what operators asked for. That a visit began is written by ../../tenancy/visits.ts.
import { type Query, type Rows, sql, type Tx } from "../../db/sql.ts";
import type { Page } from "../../http/paging.ts";
import type { Visit } from "./model.ts";

const COLUMNS = sql`id, tenant_id, operator_id, reason, read_only, used_at, expires_at, ended_at, created_at`;

/** A visit that is asked for. */
export interface NewVisit {
  id: string;
  tenantId: string;
  operatorId: string;
  reason: string;
  readOnly: boolean;
  minutes: number;
  hash: Uint8Array;
}

/** Keeps what was asked for; the token works for a minute. */
export function askForVisit(tx: Tx, visit: NewVisit): Query<Visit> {
  return tx<Visit>`insert into platform.impersonations
      (id, tenant_id, operator_id, reason, read_only, token_hash, token_expires_at, expires_at)
    values (${visit.id}, ${visit.tenantId}, ${visit.operatorId}, ${visit.reason}, ${visit.readOnly}, ${visit.hash},
      now() + interval '1 minute', now() + make_interval(mins => ${visit.minutes}))
    returning ${COLUMNS}`.map((rows) => rows[0]);
}

/** The slug of a tenant that can be visited, or undefined. */
export function findVisitable(tx: Tx, tenantId: string): Query<{ slug: string; status: string } | undefined> {
  return tx<{ slug: string; status: string }>`select slug, status from platform.tenants
    where id = ${tenantId} and status not in ('provisioning', 'deleted', 'erased')`.map((rows) => rows[0]);
}

/** A page of visits, the newest first. */
export function listVisits(tx: Tx, tenantId: string | undefined, page: Page): Query<Rows<Visit>> {
  const tenant = tenantId === undefined ? sql`true` : sql`tenant_id = ${tenantId}`;
  return tx<Visit>`select ${COLUMNS} from platform.impersonations where ${tenant} and ${page.where}
    order by ${page.orderBy} limit ${page.limit}`;
}

/** Ends a visit of this operator, or of any, that is not over; or undefined. It bites at the visitor's next request. */
export function endVisit(tx: Tx, id: string, operatorId: string | null): Query<Visit | undefined> {
  const whose = operatorId === null ? sql`true` : sql`operator_id = ${operatorId}`;
  return tx<Visit>`update platform.impersonations set ended_at = coalesce(ended_at, now())
    where id = ${id} and ${whose} returning ${COLUMNS}`.map((rows) => rows[0]);
}

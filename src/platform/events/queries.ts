// Events are appended in the transaction of the change that they tell of, and never changed.
// What must not happen here: a secret, or a person's password, in `data`.
import { newId } from "../../db/ids.ts";
import { json, type Query, type Rows, sql, type Tx } from "../../db/sql.ts";
import type { Page } from "../../http/paging.ts";
import type { EventType, PlatformEvent } from "./model.ts";

/** What is known when something happens. */
export interface NewEvent {
  type: EventType;
  /** `applicant`, `operator:<id>` or `job:<name>`. */
  actor: string;
  tenantId?: string | null;
  applicationId?: string | null;
  data?: Record<string, unknown>;
}

/** Appends an event. */
export function recordEvent(tx: Tx, event: NewEvent): Query<Rows<{ id: string }>> {
  return tx`insert into platform.events (id, type, tenant_id, application_id, actor, data)
    values (${newId()}, ${event.type}, ${event.tenantId ?? null}, ${event.applicationId ?? null}, ${event.actor},
      ${json(event.data ?? {})})
    returning id`;
}

/** Which events are wanted; absent filters let all pass. */
export interface EventFilter {
  type?: string;
  tenant_id?: string;
  application_id?: string;
}

/** A page of events. */
export function listEvents(tx: Tx, filter: EventFilter, page: Page): Query<Rows<PlatformEvent>> {
  const type = filter.type === undefined ? sql`true` : sql`type = ${filter.type}`;
  const tenant = filter.tenant_id === undefined ? sql`true` : sql`tenant_id = ${filter.tenant_id}`;
  const application = filter.application_id === undefined ? sql`true` : sql`application_id = ${filter.application_id}`;
  return tx<PlatformEvent>`select id, type, tenant_id, application_id, actor, data, occurred_at from platform.events
    where ${type} and ${tenant} and ${application} and ${page.where}
    order by ${page.orderBy} limit ${page.limit}`;
}

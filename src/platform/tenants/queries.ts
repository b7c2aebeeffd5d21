// Tenants on the platform's side: reading them with their placement, making them, and moving them between states.
import { type Fragment, type Query, type Rows, sql, type Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import type { Page } from "../../http/paging.ts";
import { type Tenant, TENANT_TRANSITIONS, type TenantStatus, type Tier } from "./model.ts";

const COLUMNS =
  sql`t.id, t.slug, t.name, t.status, t.status_reason, t.status_actor, t.status_changed_at, t.tier, t.plan,
  t.contact_name, t.contact_email, t.time_zone, t.locale, t.currency, t.created_at, t.updated_at, t.deleted_at,
  case when p.id is not null then jsonb_build_object('id', p.id, 'kind', p.kind, 'state', p.state, 'server', s.name,
    'host', s.host, 'port', s.port, 'database', p.database_name) end as placement`;
const FROM = sql`platform.tenants t
  left join platform.placements p on p.id = t.placement_id
  left join platform.servers s on s.id = p.server_id`;

/** Which tenants are wanted; absent filters let all pass. `search` is the beginning of the slug. */
export interface TenantFilter {
  status?: TenantStatus;
  tier?: Tier;
  search?: string;
}

/** The condition that a lower-case column in collation "C" begins with `text`, as a range that an index serves. */
export function beginsWith(column: Fragment, text: string): Fragment {
  return sql`(${column} >= ${text} and ${column} < ${text + "\u{10FFFF}"})`;
}

/** A page of tenants. */
export function listTenants(tx: Tx, filter: TenantFilter, page: Page): Query<Rows<Tenant>> {
  const status = filter.status === undefined ? sql`true` : sql`t.status = ${filter.status}`;
  const tier = filter.tier === undefined ? sql`true` : sql`t.tier = ${filter.tier}`;
  const search = filter.search === undefined ? sql`true` : beginsWith(sql`t.slug`, filter.search.toLowerCase());
  return tx<Tenant>`select ${COLUMNS} from ${FROM} where ${status} and ${tier} and ${search} and ${page.where}
    order by ${page.orderBy} limit ${page.limit}`;
}

/** One tenant, or undefined. */
export function findTenant(tx: Tx, id: string): Query<Tenant | undefined> {
  return tx<Tenant>`select ${COLUMNS} from ${FROM} where t.id = ${id}`.map((rows) => rows[0]);
}

/** The state of a tenant, which nobody else changes until the end of the transaction. @throws AppError `not_found` */
export async function lockStatus(tx: Tx, id: string): Promise<TenantStatus> {
  const [tenant] = await tx<{ status: TenantStatus }>`select status from platform.tenants where id = ${id}
    for no key update`;
  if (!tenant) throw new AppError("not_found", "There is no such tenant");
  return tenant.status;
}

/** What a tenant begins with. */
export interface NewTenant {
  id: string;
  slug: string;
  name: string;
  tier: Tier;
  contactName: string;
  contactEmail: string;
  timeZone: string;
  locale: string;
  currency: string;
  actor: string;
}

/** Makes a tenant in state `provisioning`, unless it is there already; gives whether it was made. */
export function insertTenant(tx: Tx, tenant: NewTenant): Query<boolean> {
  return tx`insert into platform.tenants
      (id, slug, name, tier, contact_name, contact_email, time_zone, locale, currency, status_actor)
    values (${tenant.id}, ${tenant.slug}, ${tenant.name}, ${tenant.tier}, ${tenant.contactName}, ${tenant.contactEmail},
      ${tenant.timeZone}, ${tenant.locale}, ${tenant.currency}, ${tenant.actor})
    on conflict (id) do nothing`.map((rows) => rows.count > 0);
}

/**
 * Moves a tenant to `to`, from a state that allows it: one guarded statement, so that of two racing moves one wins.
 * @throws AppError `not_found`, or `invalid_state` naming both states.
 */
export async function moveTenant(
  tx: Tx,
  id: string,
  to: TenantStatus,
  change: { actor: string; reason?: string },
): Promise<void> {
  const from = [...TENANT_TRANSITIONS[to]];
  const { count } = await tx`update platform.tenants
    set status = ${to}, status_reason = ${
    change.reason ?? null
  }, status_actor = ${change.actor}, status_changed_at = now()
    where id = ${id} and status = any (${from}::text[])`;
  if (count === 1) return;
  throw cannotBecome(await lockStatus(tx, id), to);
}

/** The refusal of a move that does not exist. */
export function cannotBecome(status: TenantStatus, to: TenantStatus): AppError {
  return new AppError("invalid_state", `The tenant is "${status}" and cannot become "${to}"`);
}

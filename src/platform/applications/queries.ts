// Applications in the database: taking them in, reading them, and the guarded moves between their states.
// The sealed password of a customer's server is read by one function only, for the runs that connect there.
import { type Fragment, type Query, type Rows, sql, type Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import type { Page } from "../../http/paging.ts";
import { beginsWith } from "../tenants/queries.ts";
import type { Tier } from "../tenants/model.ts";
import {
  type Application,
  APPLICATION_MOVES,
  type ApplicationMove,
  type ApplicationStatus,
  type Submission,
} from "./model.ts";

const COLUMNS =
  sql`id, organization_name, slug, contact_first_name, contact_last_name, contact_email, time_zone, locale,
  currency, requested_tier, tier, notes, status, reviewer_id, review_notes, reviewed_at, tenant_id, failure,
  created_at, updated_at,
  case when byo_host is not null then jsonb_build_object('host', byo_host, 'port', byo_port, 'database', byo_database,
    'user', byo_user, 'tls_mode', byo_tls_mode, 'tls_ca', byo_tls_ca is not null) end as byo`;

/** Who has a slug already: a tenant (deleted ones included), an application that was not rejected, or no one. */
export function slugHolder(tx: Tx, slug: string): Query<"tenant" | "application" | null> {
  return tx<{ holder: "tenant" | "application" | null }>`select case
      when exists (select from platform.tenants where slug = ${slug}) then 'tenant'
      when exists (select from platform.applications where lower(slug) = ${slug} and status <> 'rejected')
        then 'application'
    end as holder`.map((rows) => rows[0].holder);
}

/** What is kept of a submission: its password only sealed. */
export type NewApplication = Submission & { id: string; sealedPassword: string | null };

/**
 * Keeps a submitted application. Gives no row when another one has the slug, also when both were sent at once.
 */
export function insertApplication(tx: Tx, application: NewApplication): Query<Application | undefined> {
  const { byo } = application;
  return tx<Application>`insert into platform.applications (id, organization_name, slug, contact_first_name,
      contact_last_name, contact_email, time_zone, locale, currency, requested_tier, byo_host, byo_port, byo_database,
      byo_user, byo_password_sealed, byo_tls_mode, byo_tls_ca, notes)
    values (${application.id}, ${application.organization_name}, ${application.slug}, ${application.contact_first_name},
      ${application.contact_last_name}, ${application.contact_email}, ${application.time_zone}, ${application.locale},
      ${application.currency}, ${application.tier}, ${byo?.host ?? null}, ${byo?.port ?? null}, ${
    byo?.database ?? null
  },
      ${byo?.user ?? null}, ${application.sealedPassword}, ${byo?.tls_mode ?? null}, ${byo?.tls_ca ?? null},
      ${application.notes ?? null})
    on conflict (lower(slug)) where status <> 'rejected' do nothing
    returning ${COLUMNS}`.map((rows) => rows[0]);
}

/** Which applications are wanted; `search` is the beginning of the slug or of the organisation's name. */
export interface ApplicationFilter {
  status?: ApplicationStatus;
  tier?: Tier;
  search?: string;
}

/** A page of applications. `tier` means the decided one, or the requested one while nothing is decided. */
export function listApplications(tx: Tx, filter: ApplicationFilter, page: Page): Query<Rows<Application>> {
  const status = filter.status === undefined ? sql`true` : sql`status = ${filter.status}`;
  const tier = filter.tier === undefined ? sql`true` : sql`coalesce(tier, requested_tier) = ${filter.tier}`;
  const text = filter.search?.toLowerCase();
  const search = text === undefined
    ? sql`true`
    : sql`(${beginsWith(sql`slug`, text)} or ${beginsWith(sql`name_key`, text)})`;
  return tx<Application>`select ${COLUMNS} from platform.applications
    where ${status} and ${tier} and ${search} and ${page.where}
    order by ${page.orderBy} limit ${page.limit}`;
}

/** One application, or undefined. */
export function findApplication(tx: Tx, id: string): Query<Application | undefined> {
  return tx<Application>`select ${COLUMNS} from platform.applications where id = ${id}`.map((rows) => rows[0]);
}

/** How to connect to the customer's server of an application; `password` is sealed. */
export interface ByoConnection {
  host: string;
  port: number;
  database: string;
  user: string;
  password: string;
  tls_mode: "disable" | "require";
  tls_ca: string | null;
}

/** The customer's server of an application, or undefined when it names none or its password was removed. */
export function findByoConnection(tx: Tx, id: string): Query<ByoConnection | undefined> {
  return tx<ByoConnection>`select byo_host as host, byo_port as port, byo_database as database, byo_user as user,
      byo_password_sealed as password, byo_tls_mode as tls_mode, byo_tls_ca as tls_ca
    from platform.applications where id = ${id} and byo_password_sealed is not null`.map((rows) => rows[0]);
}

/**
 * Moves an application: one guarded statement, so that of two racing moves exactly one wins.
 * @param set What else changes with it, as SQL assignments.
 * @throws AppError `not_found`, or `invalid_state` naming the current and the desired state.
 */
export async function moveApplication(
  tx: Tx,
  id: string,
  move: ApplicationMove,
  set: Fragment = sql`failure = null`,
): Promise<Application> {
  const { from, to } = APPLICATION_MOVES[move];
  const [moved] = await tx<Application>`update platform.applications set status = ${to}, ${set}
    where id = ${id} and status = any (${[...from]}::text[]) returning ${COLUMNS}`;
  if (moved) return moved;
  const current = await findApplication(tx, id);
  if (!current) throw new AppError("not_found", "There is no such application");
  throw invalidState(current.status, move);
}

/** The error for a move that the current state does not allow. */
export function invalidState(current: ApplicationStatus, move: ApplicationMove): AppError {
  const { from, to } = APPLICATION_MOVES[move];
  const allowed = from.map((status) => `"${status}"`).join(" or ");
  return new AppError("invalid_state", `The application is "${current}"; only ${allowed} can become "${to}"`);
}

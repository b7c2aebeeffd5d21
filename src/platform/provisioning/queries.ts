// The saga's memory: the lease that keeps runs apart, and the row of each step. Every write of a run is guarded by its
// lease, so that a run that was thought dead and comes back changes nothing any more.
import { newId } from "../../db/ids.ts";
import { type Query, type Rows, sql, type Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import type { Application } from "../applications/model.ts";
import { moveApplication } from "../applications/queries.ts";
import { recordEvent } from "../events/queries.ts";
import { insertTenant } from "../tenants/queries.ts";
import { type Step, STEP_NAMES, type StepName } from "./model.ts";

/** Who is provisioning which application, and for how long at a time. */
export interface Lease {
  applicationId: string;
  holder: string;
  seconds: number;
}

/** Takes the lease of an application if it is free or has run out. Gives whether it was taken. */
export function takeLease(tx: Tx, { applicationId, holder, seconds }: Lease): Query<boolean> {
  return tx`update platform.applications
    set lease_holder = ${holder}, lease_until = clock_timestamp() + make_interval(secs => ${seconds}::float8)
    where id = ${applicationId} and (lease_until is null or lease_until < clock_timestamp())`
    .map((rows) => rows.count > 0);
}

/** Whether an application waits for a run that no one carries out: lease free, nothing happened for a minute. */
export function isStranded(tx: Tx, applicationId: string): Query<boolean> {
  return tx`select from platform.applications
    where id = ${applicationId} and status in ('approved', 'provisioning')
      and (lease_until is null or lease_until < clock_timestamp()) and updated_at < now() - interval '1 minute'`
    .map((rows) => rows.length > 0);
}

/** Renews the lease; part of every write of a run. @throws AppError `conflict` when another run has it. */
export async function holdLease(tx: Tx, { applicationId, holder, seconds }: Lease): Promise<void> {
  const { count } = await tx`update platform.applications
    set lease_until = clock_timestamp() + make_interval(secs => ${seconds}::float8)
    where id = ${applicationId} and lease_holder = ${holder}`;
  if (count === 0) throw new AppError("conflict", "Another run provisions this application");
}

/** Gives the lease back, if it is still held. */
export function releaseLease(tx: Tx, { applicationId, holder }: Lease): Query<Rows<unknown>> {
  return tx`update platform.applications set lease_holder = null, lease_until = null
    where id = ${applicationId} and lease_holder = ${holder}`;
}

/** The steps of a tenant, in their order. */
export function listSteps(tx: Tx, tenantId: string): Query<Rows<Step>> {
  return tx<Step>`select step, position, state, attempts, started_at, finished_at, duration_ms, error
    from platform.provisioning_steps where tenant_id = ${tenantId} order by position`;
}

/**
 * The step "record": makes the tenant and its steps, and moves the application to `provisioning`; all or nothing, and
 * nothing when it was done before. Gives the application with its tenant's id.
 */
export async function recordTenant(tx: Tx, application: Application, actor: string): Promise<Application> {
  const started = performance.now();
  const tenantId = application.tenant_id ?? newId();
  const tier = application.tier ?? application.requested_tier;
  const { slug, organization_name: name, contact_email: contactEmail, locale, currency } = application;
  const contactName = `${application.contact_first_name} ${application.contact_last_name}`;
  const timeZone = application.time_zone;
  const made = await insertTenant(tx, {
    id: tenantId,
    slug,
    name,
    tier,
    contactName,
    contactEmail,
    timeZone,
    locale,
    currency,
    actor,
  });
  const moved = await moveApplication(tx, application.id, "start", sql`tenant_id = ${tenantId}, failure = null`);
  if (made) {
    await tx`insert into platform.provisioning_steps (tenant_id, step, position)
      select ${tenantId}, step, position from unnest(${[...STEP_NAMES]}::text[]) with ordinality as s(step, position)`;
    await startSteps(tx, tenantId, ["record"]);
    await finishSteps(tx, tenantId, { record: performance.now() - started });
    await recordEvent(tx, {
      type: "tenant.created",
      actor,
      tenantId,
      applicationId: application.id,
      data: { slug, tier },
    });
  }
  return moved;
}

/** Notes that an attempt at these steps begins. */
export function startSteps(tx: Tx, tenantId: string, steps: readonly StepName[]): Query<Rows<unknown>> {
  return tx`update platform.provisioning_steps
    set state = 'running', attempts = attempts + 1, started_at = clock_timestamp(), finished_at = null, error = null
    where tenant_id = ${tenantId} and step = any (${[...steps]}::text[])`;
}

/** Notes that steps are done, with the milliseconds that each took. */
export async function finishSteps(
  tx: Tx,
  tenantId: string,
  durations: Partial<Record<StepName, number>>,
): Promise<void> {
  for (const [step, milliseconds] of Object.entries(durations)) {
    await tx`update platform.provisioning_steps
      set state = 'done', finished_at = clock_timestamp(), duration_ms = ${milliseconds}, error = null
      where tenant_id = ${tenantId} and step = ${step}`;
  }
}

/** Notes why running steps failed. */
export function failSteps(tx: Tx, tenantId: string, reason: string): Query<Rows<unknown>> {
  return tx`update platform.provisioning_steps
    set state = 'failed', finished_at = clock_timestamp(), error = ${reason},
      duration_ms = extract(epoch from clock_timestamp() - started_at) * 1000
    where tenant_id = ${tenantId} and state = 'running'`;
}

// Jobs of a tenant. The row in tenant.jobs, written with the change that asks for it, is both the outbox and what the
// tenant sees; the relay hands it to the queue after the commit; the worker re-enters the tenant by the same door as a
// request, with no more rights than one (R11).
import type { z } from "zod";
import type { Work } from "../db/doors.ts";
import { json, type Tx } from "../db/sql.ts";
import { AppError, isRetryable } from "../errors.ts";
import { builtInRole } from "../identity/permissions.ts";
import type { QueueDefinition, QueuedJob } from "../queue/queue.ts";
import type { Log } from "../telemetry/log.ts";
import type { TenantRecord } from "./directory.ts";
import { eachTenant } from "./each_tenant.ts";
import type { Services } from "./services.ts";

/** The queue that jobs of tenants go through; a tenant's share of it is bounded. */
export const TENANT_QUEUE: QueueDefinition = {
  name: "tenant.jobs",
  retryLimit: 3,
  retryDelay: 2,
  retryDelayMax: 300,
  expireInSeconds: 900,
};

/** The queue of jobs that send mail (`mail.…`). A mail server that is away for hours loses none. */
export const MAIL_QUEUE: QueueDefinition = {
  name: "tenant.mails",
  retryLimit: 20,
  retryDelay: 5,
  retryDelayMax: 900,
  expireInSeconds: 60,
};

/** The queue that a kind of job goes through. */
function queueOf(kind: string): QueueDefinition {
  return kind.startsWith("mail.") ? MAIL_QUEUE : TENANT_QUEUE;
}

/** What a job's handler works with. */
export interface TenantJobCall<P> {
  id: string;
  params: P;
  tenant: TenantRecord;
  log: Log;
  /** Runs work in the job's tenant, as who asked for the job. */
  asTenant<T>(work: Work<T>, options?: { readOnly?: boolean; deadlineMs?: number }): Promise<T>;
  /** Says how far it is, 0 to 1, and what it is doing. */
  progress(fraction: number, note?: string): Promise<void>;
  services: Services;
}

/** A kind of job: its name, the schema of its params, and what it does. Handlers must be idempotent. */
export interface TenantJob<P = unknown> {
  kind: string;
  params: z.ZodType<P>;
  run(call: TenantJobCall<P>): Promise<Record<string, unknown>>;
}

/** Declares a kind of job. */
export function tenantJob<P>(definition: TenantJob<P>): TenantJob {
  return definition as TenantJob;
}

interface JobRow {
  id: string;
  kind: string;
  params: unknown;
  status: string;
  created_by: string | null;
  /** As it was signed when the job was asked for. */
  actor: string | null;
  /** Role of who asked, and whether a role of the tenant's own is limited to units; null where nobody did, or it is built in. */
  role: string | null;
  units_only: boolean | null;
}

/** Writes a job in the caller's transaction. `requestRelay` must be called after the commit. */
export async function enqueue(
  tx: Tx,
  kind: string,
  params: Record<string, unknown>,
  memberId: string | null,
): Promise<{ id: string }> {
  const [row] = await tx<{ id: string }>`insert into tenant.jobs (kind, params, created_by)
    values (${kind}, ${json(params)}, ${memberId}) returning id`;
  return row;
}

/** Hands a tenant's waiting jobs to the queue; a job that was sent but not marked is sent again under the same id. */
export async function relay(services: Services, tenant: TenantRecord): Promise<number> {
  const entering = { operation: "jobs.relay", requestId: "" };
  const reading = await services.targets.context(tenant, { ...entering, readOnly: true });
  const waiting = await services.doors.asTenant(
    reading,
    (tx) =>
      tx<{ id: string; kind: string }>`select id, kind from tenant.jobs where relayed_at is null order by id limit 500`,
  );
  if (waiting.length === 0) return 0;
  const ids = waiting.map((row) => row.id);
  for (const { id, kind } of waiting) {
    await services.queue.send(queueOf(kind).name, {}, { id, tenantId: tenant.id, plan: tenant.plan });
  }
  const writing = await services.targets.context(tenant, { ...entering, readOnly: false });
  await services.doors.asTenant(
    writing,
    (tx) => tx`update tenant.jobs set relayed_at = now() where id = any(${ids}::uuid[])`,
  );
  return ids.length;
}

/** Hands over anew what waited while the tenant was closed, and what the queue has given up by then. */
export async function relayAgain(services: Services, tenant: TenantRecord): Promise<number> {
  const entering = { operation: "jobs.relay", requestId: "", readOnly: false };
  await services.doors.asTenant(
    await services.targets.context(tenant, entering),
    (tx) => tx`update tenant.jobs set relayed_at = null where status in ('queued', 'running')`,
  );
  return await relay(services, tenant);
}

/** Relays what no request handed over, for every active tenant: a process died between commit and relay. */
export async function relayAll(services: Services): Promise<number> {
  const context = { actor: "system", operation: "jobs.sweep", requestId: "", readOnly: true };
  const tenants = await services.doors.asPlatform(
    context,
    (tx) => tx<{ id: string }>`select id from platform.tenants where status = 'active' order by id`,
  );
  let relayed = 0;
  await eachTenant(services, tenants.map((row) => row.id), "Handing over jobs", async (tenant) => {
    relayed += await relay(services, tenant);
  });
  return relayed;
}

/**
 * Runs one queued job of a tenant. Throws when the queue should try again: also for a closed tenant, whose job waits and
 * is handed over anew when it is opened.
 */
export async function runTenantJob(
  services: Services,
  kinds: ReadonlyMap<string, TenantJob>,
  job: QueuedJob,
): Promise<void> {
  try {
    await enterAndRun(services, kinds, job);
  } catch (error) {
    if (!isClosed(error)) throw error;
    services.log.info("A job waits: its tenant is closed", { job: job.id, tenant: job.tenantId ?? "" });
    throw new Error("The tenant is closed");
  }
}

function isClosed(error: unknown): boolean {
  return error instanceof AppError && error.code === "tenant_unavailable";
}

/** Takes a job that is not done, and with it what its asker may see now. */
function begin(tx: Tx, id: string) {
  return tx<JobRow>`with begun as (
      update tenant.jobs set status = 'running', attempts = attempts + 1, started_at = now(), finished_at = null,
        error = null, error_code = null
      where id = ${id} and status in ('queued', 'running') returning id, kind, params, status, created_by, actor
    )
    select b.*, m.role, r.units_only
    from begun b left join tenant.members m on m.id = b.created_by left join tenant.roles r on r.key = m.role`;
}

/** A job acts as who asked for it, with no more rows. A role that is not there any more counts as limited to units. */
function actorOfJob({ created_by, actor, role, units_only }: JobRow): string | undefined {
  if (created_by === null) return actor && /^(key|operator):/.test(actor) ? actor : undefined;
  const unitsOnly = role === null ? units_only : builtInRole(role)?.unitsOnly ?? units_only;
  return `member:${created_by}${unitsOnly ?? true ? ":units" : ""}`;
}

async function enterAndRun(services: Services, kinds: ReadonlyMap<string, TenantJob>, job: QueuedJob): Promise<void> {
  const tenant = job.tenantId ? await services.directory.byId(job.tenantId) : null;
  if (!tenant) {
    services.log.warn("A job was dropped: its tenant is not there", { job: job.id, tenant: job.tenantId ?? "" });
    return;
  }
  if (tenant.status !== "active") throw new AppError("tenant_unavailable");
  const log = services.log.child({ tenant: tenant.id, job: job.id });
  const enter = (actor?: string): TenantJobCall<unknown>["asTenant"] => async (work, options = {}) => {
    const context = await services.targets.context(tenant, {
      actor,
      operation: "jobs.run",
      requestId: job.id,
      readOnly: options.readOnly ?? false,
      deadlineMs: options.deadlineMs,
    });
    return await services.doors.asTenant(context, work);
  };
  const asTenant = enter();
  const [row] = await asTenant((tx) => begin(tx, job.id));
  if (!row) return; // done already, or never committed
  const progress = async (fraction: number, note?: string) => {
    await asTenant((tx) =>
      tx`update tenant.jobs set progress = ${Math.min(1, Math.max(0, fraction))}, note = ${
        note ?? null
      } where id = ${row.id}`
    );
  };
  try {
    const kind = kinds.get(row.kind);
    if (!kind) throw new AppError("unprocessable", `No worker knows the job "${row.kind}"`);
    const params = kind.params.parse(row.params);
    const asAsked = enter(actorOfJob(row));
    const result = await kind.run({ id: row.id, params, tenant, log, asTenant: asAsked, progress, services });
    await asTenant((tx) =>
      tx`update tenant.jobs set status = 'succeeded', progress = 1, note = null, result = ${
        json(result)
      }, finished_at = now()
        where id = ${row.id}`
    );
    log.info("A job succeeded", { kind: row.kind });
  } catch (error) {
    if (isClosed(error)) throw error;
    const again = isRetryable(error) && !job.lastAttempt;
    const shown = error instanceof AppError ? error : new AppError("internal");
    log.error("A job failed", { kind: row.kind, again, reason: String(error) });
    await asTenant((tx) =>
      tx`update tenant.jobs set status = ${again ? "queued" : "failed"}, error_code = ${shown.code},
          error = ${shown.message}, finished_at = case when ${again} then null else now() end where id = ${row.id}`
    );
    if (again) throw new Error("The job failed and is tried again"); // what the queue keeps carries no details
  }
}

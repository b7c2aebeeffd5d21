// Runs the saga: one step after another, each noted before and after, under a lease. A run may be killed at any point;
// the next one skips what is done and does the rest. No tenant is visible before "open" has been written.
// What must not happen here: a write without the lease, an error text of a database in what operators see.
import { newId } from "../../db/ids.ts";
import { sql, type Tx } from "../../db/sql.ts";
import { AppError, isRetryable } from "../../errors.ts";
import type { Services } from "../../tenancy/services.ts";
import type { Application } from "../applications/model.ts";
import { findApplication, moveApplication } from "../applications/queries.ts";
import { recordEvent } from "../events/queries.ts";
import { within } from "../placements/deadline.ts";
import type { StepName } from "./model.ts";
import { placementOf } from "./placing.ts";
import {
  failSteps,
  finishSteps,
  holdLease,
  type Lease,
  listSteps,
  recordTenant,
  releaseLease,
  startSteps,
  takeLease,
} from "./queries.ts";
import { ACTOR, type Done, Run } from "./run.ts";
import { type SagaStep, STEPS } from "./steps.ts";

/** Seconds after which another run may take over from one that gives no sign of life: longer than a step may take. */
const LEASE_SECONDS = 30;
const STEP_MS = 25_000;

/** How a provisioning is run. */
export interface ProvisionOptions {
  applicationId: string;
  /** The queue's id of the job; goes into contexts and logs. */
  jobId: string;
  /** Whether a failure now is final. */
  lastAttempt: boolean;
  leaseSeconds?: number;
  /** Called at each point where a run may be cut off: after a step acted and after it was written. For tests. */
  checkpoint?: (point: string) => Promise<void>;
}

/**
 * Provisions the tenant of an approved application, or goes on with it.
 * Does nothing when there is nothing to do. Throws when the queue should try again; a final failure is written to the
 * application instead.
 */
export async function provision(services: Services, options: ProvisionOptions): Promise<void> {
  const lease = {
    applicationId: options.applicationId,
    holder: newId(),
    seconds: options.leaseSeconds ?? LEASE_SECONDS,
  };
  const context = { actor: ACTOR, operation: "tenants.provision", requestId: options.jobId, readOnly: false };
  let application: Application & { tenant_id: string } | null;
  try {
    application = await services.doors.asPlatform(context, (tx) => begin(tx, lease));
  } catch (error) {
    if (!options.lastAttempt && isRetryable(error)) throw error;
    await services.doors.asPlatform(context, (tx) => failUnrecorded(tx, options.applicationId, tell(error)));
    return;
  }
  if (!application) return;
  const run = new Run(services, application, { lease, jobId: options.jobId });
  try {
    await carryOut(run, options);
  } catch (error) {
    await failed(run, options, error);
  } finally {
    await run.close();
    await run.asPlatform((tx) => releaseLease(tx, lease)).catch(() => {}); // it runs out by itself
  }
}

/** Takes the lease and does the step "record". Gives null when there is nothing to provision. */
async function begin(tx: Tx, lease: Lease): Promise<Application & { tenant_id: string } | null> {
  if (!await takeLease(tx, lease)) {
    if (!await findApplication(tx, lease.applicationId)) return null;
    throw new AppError("overloaded", "Another run provisions this application");
  }
  const application = await findApplication(tx, lease.applicationId);
  if (!application) return null;
  const started = ["approved", "provisioning"].includes(application.status)
    ? await recordTenant(tx, application, ACTOR)
    : application;
  const unfinished = started.status === "provisioning" || started.status === "provisioned";
  if (unfinished && started.tenant_id) return { ...started, tenant_id: started.tenant_id };
  await releaseLease(tx, lease);
  return null;
}

async function carryOut(run: Run, options: ProvisionOptions): Promise<void> {
  run.placement = await run.asPlatform((tx) => placementOf(tx, run.tenantId));
  await options.checkpoint?.("record: written");
  for (const step of STEPS) {
    if (!await start(run, step)) continue;
    const started = performance.now();
    const late = () => new AppError("database_unavailable", `The step "${step.names[0]}" took too long`);
    const done = await within(STEP_MS, step.run(run), late) ?? {};
    const milliseconds = performance.now() - started;
    await options.checkpoint?.(`${step.names[0]}: acted`);
    await finish(run, step, { durations: { [step.names[0]]: milliseconds }, ...done });
    if (step.names[0] === "open") run.services.directory.forget(run.tenantId); // "no such tenant" may be cached
    await options.checkpoint?.(`${step.names[0]}: written`);
  }
}

/** Notes that a step begins; gives false when it is done already. */
async function start(run: Run, { names }: SagaStep): Promise<boolean> {
  return await run.asPlatform(async (tx) => {
    await holdLease(tx, run.lease);
    const steps = await listSteps(tx, run.tenantId);
    const isDone = (name: StepName) => steps.some((step) => step.step === name && step.state === "done");
    if (names.every(isDone)) return false;
    await startSteps(tx, run.tenantId, names);
    return true;
  });
}

async function finish(run: Run, { names }: SagaStep, done: Done): Promise<void> {
  const nothing = Object.fromEntries(names.map((name) => [name, 0]));
  await run.asPlatform(async (tx) => {
    await holdLease(tx, run.lease);
    await done.record?.(tx);
    await finishSteps(tx, run.tenantId, { ...nothing, ...done.durations });
  });
}

/** Writes down why a run failed; throws when the queue should try again. */
async function failed(run: Run, options: ProvisionOptions, error: unknown): Promise<void> {
  const reason = tell(error);
  const again = !options.lastAttempt && isWorthAnotherTry(error);
  const { applicationId } = options;
  const fields = {
    application: applicationId,
    tenant: run.tenantId,
    again,
    reason: String(error),
    cause: causeOf(error),
  };
  run.services.log.error("Provisioning failed", fields);
  await run.asPlatform(async (tx) => {
    await holdLease(tx, run.lease);
    await failSteps(tx, run.tenantId, reason);
    if (!again) await giveUp(tx, run, reason);
  });
  if (again) throw new Error("Provisioning failed and is tried again"); // what the queue keeps carries no details
}

/** A tenant that is open already stays so: only its mail was not sent, and an operator can have it sent again. */
async function giveUp(tx: Tx, run: Run, reason: string): Promise<void> {
  const of = { actor: ACTOR, tenantId: run.tenantId, applicationId: run.application.id, data: { reason } };
  const application = await findApplication(tx, run.application.id);
  if (application?.status === "provisioned") {
    return void await recordEvent(tx, { type: "tenant.setup_mail_failed", ...of });
  }
  await moveApplication(tx, run.application.id, "fail", sql`failure = ${reason}`);
  await recordEvent(tx, { type: "tenant.provisioning_failed", ...of });
}

/** For a failure before the tenant had a row. */
async function failUnrecorded(tx: Tx, applicationId: string, reason: string): Promise<void> {
  const application = await findApplication(tx, applicationId);
  if (application?.status !== "approved") return;
  await moveApplication(tx, applicationId, "fail", sql`failure = ${reason}`);
  await recordEvent(tx, { type: "tenant.provisioning_failed", actor: ACTOR, applicationId, data: { reason } });
}

/** A customer's server that cannot be reached now may be reachable in ten minutes. */
function isWorthAnotherTry(error: unknown): boolean {
  return isRetryable(error) || error instanceof AppError && error.code === "byo_unreachable";
}

function causeOf(error: unknown): string | undefined {
  return error instanceof Error && error.cause ? String(error.cause) : undefined;
}

/** What operators are told: our own sentences, or only the SQLSTATE; never the words of a server. */
function tell(error: unknown): string {
  if (error instanceof AppError) return `${error.code}: ${error.message}`;
  const code = (error as { code?: unknown } | null)?.code;
  if (code === "BH900") return `The proof found holes: ${(error as { detail?: string }).detail ?? ""}`.slice(0, 2000);
  if (typeof code === "string" && /^[0-9A-Z]{5}$/.test(code)) {
    return `The database refused a statement (SQLSTATE ${code})`;
  }
  return "internal: Something went wrong; the log has it under this application's id";
}

// The table of contents of the queued side: which jobs there are and how many run at once.
import { mailOperatorChange, OPERATOR_CHANGED_QUEUE } from "./platform/operators/jobs.ts";
import { RETIRE_QUEUE, retireReplacedKeys } from "./platform/placements/jobs.ts";
import { PROVISION_QUEUE, provisionTenant } from "./platform/provisioning/jobs.ts";
import { publish, REFERENCE_QUEUE } from "./platform/reference/jobs.ts";
import type { Handler, QueueDefinition } from "./queue/queue.ts";
import { END_SESSIONS_QUEUE, endSessionsOfMember } from "./tenancy/accounts/end_sessions.ts";
import { MAIL_QUEUE, relayAll, runTenantJob, TENANT_QUEUE, type TenantJob } from "./tenancy/jobs.ts";
import type { Services } from "./tenancy/services.ts";
import { noteCheckpoints } from "./tenant/audit/checkpoints.ts";
import { CHANGED_QUEUE, FORGOT_QUEUE, mailChange, mailReset } from "./tenant/auth/jobs.ts";
import { jobs as invitations } from "./tenant/invitations/jobs.ts";
import { jobs as invoices } from "./tenant/invoices/jobs.ts";
import { jobs as members } from "./tenant/members/jobs.ts";
import { jobs as reports } from "./tenant/reports/jobs.ts";

/** Every queue. */
export const QUEUES: QueueDefinition[] = [
  PROVISION_QUEUE,
  REFERENCE_QUEUE,
  RETIRE_QUEUE,
  TENANT_QUEUE,
  MAIL_QUEUE,
  END_SESSIONS_QUEUE,
  FORGOT_QUEUE,
  CHANGED_QUEUE,
  OPERATOR_CHANGED_QUEUE,
];

/** Every kind of tenant job, by its name. */
export const KINDS: ReadonlyMap<string, TenantJob> = new Map<string, TenantJob>(
  [...invitations, ...invoices, ...members, ...reports].map((job) => [job.kind, job]),
);

/** The handler of each queue. */
export function handlers(services: Services): Map<string, Handler> {
  return new Map<string, Handler>([
    [PROVISION_QUEUE.name, (job) => provisionTenant(services, job)],
    [REFERENCE_QUEUE.name, (job) => publish(services, job)],
    [RETIRE_QUEUE.name, (job) => retireReplacedKeys(services, job)],
    [END_SESSIONS_QUEUE.name, (job) => endSessionsOfMember(services, job)],
    [FORGOT_QUEUE.name, (job) => mailReset(services, job)],
    [CHANGED_QUEUE.name, (job) => mailChange(services, job)],
    [OPERATOR_CHANGED_QUEUE.name, (job) => mailOperatorChange(services, job)],
    [TENANT_QUEUE.name, (job) => runTenantJob(services, KINDS, job)],
    [MAIL_QUEUE.name, (job) => runTenantJob(services, KINDS, job)],
  ]);
}

const CONCURRENCY: Record<string, { concurrency: number; perTenant?: number }> = {
  [PROVISION_QUEUE.name]: { concurrency: 2 },
  [REFERENCE_QUEUE.name]: { concurrency: 1 },
  [RETIRE_QUEUE.name]: { concurrency: 2 },
  [END_SESSIONS_QUEUE.name]: { concurrency: 2 },
  [FORGOT_QUEUE.name]: { concurrency: 2 },
  [CHANGED_QUEUE.name]: { concurrency: 1 },
  [OPERATOR_CHANGED_QUEUE.name]: { concurrency: 1 },
  [TENANT_QUEUE.name]: { concurrency: 4, perTenant: 2 },
  [MAIL_QUEUE.name]: { concurrency: 4, perTenant: 2 },
};

/** How often jobs that were committed but not handed over are looked for, in milliseconds. */
const RELAY_EVERY_MS = 30_000;

/** How often it is looked whose audit's end is to be noted, in milliseconds. */
const CHECKPOINTS_EVERY_MS = 600_000;

/** Works all queues until the returned function is called. */
export async function startWorker(services: Services): Promise<() => void> {
  for (const [name, handler] of handlers(services)) await services.queue.work(name, CONCURRENCY[name], handler);
  const every = (ms: number, what: string, work: () => Promise<unknown>) =>
    setInterval(() => work().catch((error) => services.log.warn(`${what} failed`, { reason: `${error}` })), ms);
  const timers = [
    every(RELAY_EVERY_MS, "The relay", () => relayAll(services)),
    every(CHECKPOINTS_EVERY_MS, "Noting the ends of audits", () => noteCheckpoints(services)),
  ];
  return () => timers.forEach(clearInterval);
}

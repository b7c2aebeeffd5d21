// The job that provisions. The queue tries it again by itself; whether another try makes sense the saga decides.
import { z } from "@hono/zod-openapi";
import type { QueueDefinition, QueuedJob } from "../../queue/queue.ts";
import type { Services } from "../../tenancy/services.ts";
import { provision } from "./saga.ts";

/** The queue of `tenants.provision`: four tries, roughly 1.5, 3 and 6 minutes apart. */
export const PROVISION_QUEUE: QueueDefinition = {
  name: "tenants.provision",
  retryLimit: 3,
  retryDelay: 60,
  retryDelayMax: 600,
  expireInSeconds: 60,
};

const payload = z.object({ application_id: z.uuid() });

/** Works one job of the queue. */
export async function provisionTenant(services: Services, job: QueuedJob): Promise<void> {
  const { application_id: applicationId } = payload.parse(job.data);
  await provision(services, { applicationId, jobId: job.id, lastAttempt: job.lastAttempt });
}

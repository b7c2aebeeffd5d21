// The job that retires the keys that a rotation has replaced, once nothing signed with them can still be under way.
import { z } from "@hono/zod-openapi";
import type { QueueDefinition, QueuedJob } from "../../queue/queue.ts";
import type { Services } from "../../tenancy/services.ts";
import { retireKeys } from "./keys.ts";

/** The queue of `placements.retireKeys`: for a day or so, since a customer's server may be away that long. */
export const RETIRE_QUEUE: QueueDefinition = {
  name: "placements.retireKeys",
  retryLimit: 30,
  retryDelay: 60,
  retryDelayMax: 3_600,
  expireInSeconds: 120,
};

/** What the job is told: of which placement, and which key is not to be retired any more. */
export const retirement = z.object({ placement_id: z.uuid(), below: z.int().positive() });

/** Works one job of the queue. */
export async function retireReplacedKeys(services: Services, job: QueuedJob): Promise<void> {
  const { placement_id: placement, below } = retirement.parse(job.data);
  try {
    const keys = await retireKeys(services, placement, below, "job:placements.retireKeys");
    services.log.info("Keys were retired", { placement, keys });
  } catch (error) {
    const fields = { placement, below, reason: String(error) };
    if (job.lastAttempt) services.log.alarm("Old keys could not be retired: rotate the placement again", fields);
    else services.log.warn("Old keys could not be retired and are tried again", fields);
    throw new Error("The keys could not be retired"); // what the queue keeps carries no details
  }
}

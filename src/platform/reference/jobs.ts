// The job that publishes reference data to every placement that is ready. One placement that cannot be reached does not
// keep the others from it; the job is then tried again as a whole, which changes nothing where it succeeded.
import type { QueueDefinition, QueuedJob } from "../../queue/queue.ts";
import type { Services } from "../../tenancy/services.ts";
import { placementTarget, withinLimits } from "../placements/connect.ts";
import type { Placement } from "../placements/model.ts";
import { listReadyPlacements } from "../placements/queries.ts";
import type { SyncReport } from "./model.ts";
import { readReference } from "./queries.ts";
import { syncReference } from "./sync.ts";

/** The queue of `reference.sync`. */
export const REFERENCE_QUEUE: QueueDefinition = {
  name: "reference.sync",
  retryLimit: 5,
  retryDelay: 30,
  retryDelayMax: 600,
  expireInSeconds: 600,
};

/** Publishes to one placement. */
export async function publishTo(services: Services, placement: Placement): Promise<SyncReport> {
  const context = { actor: "job:reference.sync", operation: "reference.sync", requestId: "", readOnly: true };
  const data = await services.doors.asPlatform(context, (tx) => readReference(tx));
  const target = await placementTarget(services, placement);
  return await withinLimits(target, (sql) => syncReference(sql, placement.owner_role, data));
}

/** Publishes to every ready placement. Throws after the last one when any failed. */
export async function publish(services: Services, job?: QueuedJob): Promise<void> {
  const requestId = job?.id ?? "";
  const context = { actor: "job:reference.sync", operation: "reference.sync", requestId, readOnly: true };
  const placements = await services.doors.asPlatform(context, (tx) => listReadyPlacements(tx));
  let failures = 0;
  for (const placement of placements) {
    try {
      const report = await publishTo(services, placement);
      services.log.info("Reference data was published", { placement: placement.id, ...report });
    } catch (error) {
      failures++;
      services.log.error("Reference data was not published", { placement: placement.id, reason: String(error) });
    }
  }
  if (failures > 0) throw new Error(`Reference data did not reach ${failures} of ${placements.length} placements`);
}

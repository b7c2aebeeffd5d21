// The key that signs a placement's tenant contexts changes without a request noticing: the next key is put into the
// placement beside the current one, tried by the door that requests use, and only then signed with; the old one is retired
// when nothing that it signed can still be under way. Whatever cuts a rotation off, the next one goes on with what is there.
import { newId } from "../../db/ids.ts";
import type { Work } from "../../db/doors.ts";
import { AppError } from "../../errors.ts";
import type { Services } from "../../tenancy/services.ts";
import { recordEvent } from "../events/queries.ts";
import { RETIRE_QUEUE } from "./jobs.ts";
import { addNextKey, retireKeys } from "./keys.ts";
import { type Placement, routed } from "./model.ts";
import { findPlacement, switchKey } from "./queries.ts";

/**
 * Seconds that the old key stays accepted: longer than the longest request (an import's 45 minutes) and what a process
 * may believe without hearing of the change (10 seconds), together.
 */
export const RETIRE_AFTER = 3_600;

/** How a key is rotated. */
export interface RotationOptions {
  /** Who does it, for the events: `operator:<id>`, `command:<name>`. */
  actor: string;
  /** Seconds until the old keys are retired; 0: at once, and what is signed with them fails. Default: an hour. */
  retireAfter?: number;
}

/** What a rotation did. */
export interface Rotation {
  placement_id: string;
  kind: Placement["kind"];
  from: number;
  to: number;
  /** Seconds. */
  retire_after: number;
}

/**
 * Rotates the key of one placement.
 * @throws AppError `not_found`; `invalid_state` for a placement that is not ready; `conflict` when another rotation was
 * faster; as connecting to the placement throws. Unless it says otherwise, contexts are signed as before then.
 */
export async function rotateContextKey(
  services: Services,
  placementId: string,
  { actor, retireAfter = RETIRE_AFTER }: RotationOptions,
): Promise<Rotation> {
  const context = { actor, operation: "placements.rotateKey", requestId: "", readOnly: false };
  const asPlatform = <T>(work: Work<T>) => services.doors.asPlatform(context, work);
  const placement = await asPlatform((tx) => findPlacement(tx, placementId));
  if (!placement) throw new AppError("not_found", "There is no such placement");
  if (placement.state !== "ready") throw new AppError("invalid_state", `The placement is "${placement.state}"`);
  const { id, kind, key_id: from } = placement;
  const to = await addNextKey(services, placement);
  await tryKey(services, placement, to);
  await asPlatform(async (tx) => {
    if (!await switchKey(tx, id, from, to)) throw new AppError("conflict", "Another rotation was faster");
    const data = { placement_id: id, from, to, retire_after: retireAfter };
    await recordEvent(tx, { type: "placement.key_rotated", actor, data });
    await services.queue.sendWith(tx, RETIRE_QUEUE.name, { placement_id: id, below: to }, { startAfter: retireAfter });
  });
  services.directory.forgetPlacement(id);
  if (retireAfter === 0) await retireKeys(services, id, to, actor);
  return { placement_id: id, kind, from, to, retire_after: retireAfter };
}

/**
 * Enters with a key as requests do, in the name of a tenant that does not exist: a proof that is accepted ends at the gate
 * that nobody has opened, one that is not is refused before.
 */
async function tryKey(services: Services, placement: Placement, keyId: number): Promise<void> {
  const nobody = { id: newId(), placement: { ...routed(placement), key_id: keyId } };
  const entering = { operation: "placements.rotateKey", requestId: "", readOnly: true };
  const context = await services.targets.context(nobody, entering);
  try {
    await services.doors.asTenant(context, (tx) => tx`select app.tenant_id()`);
  } catch (error) {
    if (error instanceof AppError && error.code === "tenant_unavailable") return;
    throw error;
  }
  throw new AppError("internal", "The placement let a tenant in that does not exist");
}

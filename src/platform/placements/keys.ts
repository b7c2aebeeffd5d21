// The keys that sign tenant contexts, as the placements keep them: reading which there are, adding the next one, retiring
// old ones. What may be signed with is the platform's to say (placements.key_id); rotation.ts brings the two together.
import { installKey } from "../../db/rollout.ts";
import type { Sql } from "../../db/direct.ts";
import type { Services } from "../../tenancy/services.ts";
import { recordEvent } from "../events/queries.ts";
import { asKeeper } from "./connect.ts";
import { type Placement, rolesOf } from "./model.ts";
import { findPlacement } from "./queries.ts";

/** A key of a placement; while `retired_at` is null, contexts that are signed with it are accepted. */
export interface ContextKey {
  id: number;
  created_at: string;
  retired_at: string | null;
}

/** The keys of a placement, oldest first. @throws AppError where the placement cannot be reached */
export async function readKeys(services: Services, placement: Placement): Promise<ContextKey[]> {
  return await asKeeper(services, placement, selectKeys);
}

async function selectKeys(tx: Sql): Promise<ContextKey[]> {
  const rows = await tx<{ id: number; created_at: Date; retired_at: Date | null }[]>`
    select id, created_at, retired_at from app.keys order by id`;
  return rows.map((row) => ({
    id: row.id,
    created_at: row.created_at.toISOString(),
    retired_at: row.retired_at?.toISOString() ?? null,
  }));
}

/**
 * Puts the next key into a placement, beside those that are there, and gives its id. A newer one than the placement's
 * current that is there already, from a rotation that was cut off, is the next one.
 */
export async function addNextKey(services: Services, placement: Placement): Promise<number> {
  return await asKeeper(services, placement, async (tx) => {
    const keys = await selectKeys(tx);
    const begun = keys.findLast((key) => key.id > placement.key_id && key.retired_at === null);
    const next = begun?.id ?? Math.max(placement.key_id, ...keys.map((key) => key.id)) + 1;
    await installKey(tx, rolesOf(placement), services.servers.placementKey(placement.id, next));
    return next;
  });
}

/**
 * Retires what is older than key `below`, never the current one: contexts that are signed with it are refused from the next
 * statement on. Gives the ids; a second call retires nothing.
 */
export async function retireKeys(
  services: Services,
  placementId: string,
  below: number,
  actor: string,
): Promise<number[]> {
  const context = { actor, operation: "placements.retireKeys", requestId: "", readOnly: false };
  const placement = await services.doors.asPlatform(context, (tx) => findPlacement(tx, placementId));
  if (!placement) return [];
  const rows = await asKeeper(
    services,
    placement,
    (tx) =>
      tx<{ id: number }[]>`update app.keys set retired_at = clock_timestamp()
        where id < ${Math.min(below, placement.key_id)} and retired_at is null returning id`,
  );
  const retired = rows.map((row) => row.id).sort((a, b) => a - b);
  if (retired.length > 0) {
    const data = { placement_id: placementId, keys: retired };
    await services.doors.asPlatform(context, (tx) => recordEvent(tx, { type: "placement.keys_retired", actor, data }));
  }
  return retired;
}

// `keys list`, `keys rotate`: the keys that sign tenant contexts. Other processes go on serving meanwhile.
import type { Services } from "../tenancy/services.ts";
import { type ContextKey, readKeys } from "../platform/placements/keys.ts";
import type { Placement } from "../platform/placements/model.ts";
import { listReadyPlacements } from "../platform/placements/queries.ts";
import { RETIRE_AFTER, rotateContextKey, type Rotation } from "../platform/placements/rotation.ts";
import { reasonOf } from "./reason.ts";
import { type Place, withServices } from "./running.ts";

/** What a placement's keys are, or why that is not known. */
interface Listed {
  placement_id: string;
  kind: string;
  database: string;
  /** What is signed with. */
  key_id: number;
  keys?: ContextKey[];
  error?: string;
}

type Outcome = Rotation | { placement_id: string; kind: string; error: string };

/** Shows the keys of every placement. Exits with 1 when one could not be reached. */
export async function list(options: Place & { json: boolean }): Promise<void> {
  await withServices(options, async (services) => {
    const listed: Listed[] = [];
    for (const placement of await placements(services)) {
      const { id, kind, database_name: database, key_id } = placement;
      const found = await readKeys(services, placement).then((keys) => ({ keys }), told);
      listed.push({ placement_id: id, kind, database, key_id, ...found });
    }
    print(listed, options.json, ({ placement_id, kind, key_id, keys, error }) => {
      const live = keys?.filter((key) => !key.retired_at).map((key) => key.id).join(", ");
      return `${placement_id}  ${kind.padEnd(9)}  ${error ?? `signs with key ${key_id}; accepted: ${live}`}`;
    });
  });
}

/** Which keys are rotated, and how. */
export interface RotateOptions extends Place {
  placement?: string;
  all: boolean;
  /** Whether the old keys are retired at once. */
  now: boolean;
  json: boolean;
}

/** Rotates the key of one placement or of all, one after another. Exits with 1 when one could not be rotated. */
export async function rotate(options: RotateOptions): Promise<void> {
  if (options.all === (options.placement !== undefined)) throw new Error('Give either "--placement <id>" or "--all"');
  await withServices(options, async (services) => {
    const chosen = (await placements(services)).filter(({ id }) => options.all || id === options.placement);
    if (chosen.length === 0) throw new Error(`There is no placement "${options.placement}" that is ready`);
    const outcomes: Outcome[] = [];
    const how = { actor: "command:keys.rotate", retireAfter: options.now ? 0 : RETIRE_AFTER };
    for (const { id, kind } of chosen) {
      const outcome = await rotateContextKey(services, id, how).catch(told);
      outcomes.push({ placement_id: id, kind, ...outcome });
    }
    print(outcomes, options.json, (outcome) => `${outcome.placement_id}  ${outcome.kind.padEnd(9)}  ${tell(outcome)}`);
  });
}

function tell(outcome: Outcome): string {
  if ("error" in outcome) return outcome.error;
  const { from, to, retire_after } = outcome;
  return `key ${from} → ${to}; older ones are retired ${retire_after ? `in ${retire_after / 60} minutes` : "now"}`;
}

function told(error: unknown): { error: string } {
  return { error: reasonOf(error) };
}

async function placements(services: Services): Promise<Placement[]> {
  const context = { actor: "command:keys", operation: "placements.list", requestId: "", readOnly: true };
  return await services.doors.asPlatform(context, (tx) => listReadyPlacements(tx));
}

function print<T extends object>(results: T[], asJson: boolean, line: (result: T) => string): void {
  if (asJson) console.log(JSON.stringify(results, null, 2));
  else for (const result of results) console.log(line(result));
  if (results.some((result) => "error" in result)) Deno.exitCode = 1;
}

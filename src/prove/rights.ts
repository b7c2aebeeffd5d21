// The first layer: 90_proof.sql, run on what is there now and not only at a rollout.
import { type Sql, withDirect } from "../db/direct.ts";
import { OWN_ROLES, type PlacementRoles, sharedRoles } from "../db/names.ts";
import { fill, policyFiles } from "../db/sql_files.ts";
import type { RightsResult } from "./report/report.ts";
import type { Scratch } from "./scratch.ts";

/** The holes that the proof finds, as its own sentences; none when it passes. Reads the catalogue only. */
export async function holesIn(sql: Sql, roles: PlacementRoles): Promise<string[]> {
  const [proof] = policyFiles("90");
  const { platformLogin, queueLogin, migrator } = OWN_ROLES;
  const names = { platform_login: platformLogin, queue_login: queueLogin, migrator };
  const text = fill(proof, { ...names, owner: roles.owner, keeper: roles.keeper, tenant_login: roles.tenantLogin });
  try {
    await sql.unsafe(text);
    return [];
  } catch (error) {
    const { code, detail } = error as { code?: string; detail?: string };
    if (code !== "BH900" || !detail) throw error;
    return detail.split("\n");
  }
}

/** Proves one database. */
export async function proveRights(place: string, sql: Sql, roles: PlacementRoles): Promise<RightsResult> {
  const started = performance.now();
  const holes = await holesIn(sql, roles);
  return { place, holes, ms: performance.now() - started };
}

/** Proves every placement of the scratch deployment, and the platform's database. */
export async function proveAllRights(scratch: Scratch): Promise<RightsResult[]> {
  const results: RightsResult[] = [];
  for (const { tier, admin, roles } of scratch.sites) results.push(await proveRights(tier, admin, roles));
  results.push(await withDirect(scratch.platform.admin, (sql) => proveRights("platform", sql, sharedRoles())));
  return results;
}

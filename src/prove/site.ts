// A placement seen from all sides: the attacker's tenant, the victim that lives beside it, the run-time login, the key that
// signs, and the superuser who looks behind the curtain. Every table is filled for both tenants.
import { openDirect, type Sql } from "../db/direct.ts";
import type { PlacementRoles } from "../db/names.ts";
import type { Target } from "../db/pool.ts";
import { setGate } from "../db/rollout.ts";
import { findPlacement } from "../platform/placements/queries.ts";
import { rolesOf } from "../platform/placements/model.ts";
import type { Placement, TenantRecord } from "../tenancy/directory.ts";
import type { Signer } from "../tenancy/context.ts";
import type { IssuedMember } from "../identity/tokens.ts";
import type { Services } from "../tenancy/services.ts";
import { readTables, type Table } from "./catalogue.ts";
import { Rows } from "./rows.ts";
import type { Administrator } from "./scratch.ts";

/** A tenant; a decoy is one that the platform does not know. */
export interface Resident {
  id: string;
  slug: string | null;
  record: TenantRecord | null;
}

/** The placement. */
export interface Site {
  tier: "shared" | "dedicated" | "byo";
  attacker: Resident;
  victim: Resident;
  /** A tenant whose gate is closed. */
  closed: Resident;
  placement: Placement;
  roles: PlacementRoles;
  signer: Signer;
  /** As the run-time login connects. */
  target: Target;
  /** As superuser. */
  admin: Sql;
  /** Tables of the schema tenant. */
  tables: Table[];
  /** Tables that all tenants share. */
  shared: Table[];
  rows: Rows;
  /** What could not be tried here, in sentences. */
  unchecked: Set<string>;
  /** Reads the catalogue again and fills what is new. */
  refresh(): Promise<void>;
  end(): Promise<void>;
}

/** Opens and fills the placement in which `attacker` lives. */
export async function openSite(
  services: Services,
  server: Administrator,
  attacker: Resident,
  victim: Resident,
): Promise<Site> {
  const { placement } = attacker.record!;
  const entering = { operation: "prove", requestId: "", readOnly: false };
  const { target } = await services.targets.context(attacker.record!, entering);
  const system = { actor: "system", operation: "prove", requestId: "", readOnly: true };
  const found = await services.doors.asPlatform(system, (tx) => findPlacement(tx, placement.id));
  const roles = rolesOf(found!);
  const admin = await openDirect({ ...server, database: placement.database });
  const closed: Resident = { id: crypto.randomUUID(), slug: null, record: null };
  if (!victim.record) await setGate(admin, roles, victim.id, true);
  await setGate(admin, roles, closed.id, false);
  const site: Site = {
    tier: placement.kind,
    attacker,
    victim,
    closed,
    placement,
    roles,
    signer: services.servers.signer(placement.id, placement.key_id),
    target,
    admin,
    tables: [],
    shared: [],
    rows: new Rows(admin, []),
    unchecked: new Set(),
    refresh: () => fill(site),
    end: () => admin.end({ timeout: 1 }),
  };
  await fill(site);
  return site;
}

/** Gives everybody a row in each table. */
async function fill(site: Site): Promise<void> {
  const { admin, placement, attacker, victim, closed } = site;
  site.tables = await readTables(admin, "tenant", placement.login);
  site.shared = await readTables(admin, "reference", placement.login);
  site.rows.learn([...site.tables, ...site.shared]);
  for (const table of site.shared) await site.rows.row(table, null);
  for (const { id } of [attacker, victim, closed]) {
    for (const table of site.tables) await site.rows.row(table, id);
  }
  await activate(site);
  // Else the relay would take these for jobs that wait for it, and change them.
  await admin`update tenant.jobs set relayed_at = now() where relayed_at is null`;
}

/** Makes administrators of all members: tokens are asked for them, and what they may do is looked up when it has changed. */
export async function activate({ admin }: Pick<Site, "admin">): Promise<void> {
  await admin`update tenant.members set status = 'active', role = 'admin', deleted_at = null
    where (status, role) <> ('active', 'admin') or deleted_at is not null`;
}

/** An access token of an administrator of `tenantId`, with what sets it apart in `over`. */
export async function memberToken(
  services: Services,
  site: Site,
  tenantId: string,
  over: Partial<IssuedMember> = {},
): Promise<string> {
  const members = site.tables.find(({ name }) => name === "tenant.members")!;
  const { id } = await site.rows.row(members, tenantId);
  const [{ version }] = await site.admin`select access_version as version from tenant.members where id = ${id!}`;
  const sessionId = crypto.randomUUID();
  return await services.tokens.issueMember({
    memberId: id!,
    tenantId,
    role: "admin",
    sessionId,
    accessVersion: version,
    ...over,
  });
}

/**
 * Number and hash of a tenant's rows in every table: equal before and after means that nothing was changed. That others were
 * refused, its audit may tell.
 */
export async function inventory(admin: Sql, tables: Table[], tenantId: string): Promise<Record<string, string>> {
  const parts = tables.map(({ name }) =>
    `select '${
      name.replaceAll("'", "''")
    }' as name, count(*) || ' ' || coalesce(md5(string_agg(t::text, '|' order by t::text)), '') as hash
      from ${name} t where tenant_id = $1 ${name === "tenant.audit" ? "and action <> 'refused'" : ""}`
  );
  const rows = await admin.unsafe(parts.join(" union all "), [tenantId]);
  return Object.fromEntries(rows.map((row) => [row.name, row.hash]));
}

/** The tables in which two inventories differ. */
export function differences(before: Record<string, string>, after: Record<string, string>): string[] {
  return Object.keys({ ...before, ...after }).filter((name) => before[name] !== after[name]);
}

// Makes tenants in milliseconds: the rows that provisioning would have left, written at once as superuser, without the
// queue, the mail and the password. What the tenant may then do is decided by the same gates, roles and policies.
import { closeDatabase, createDatabase, deployPlacement, ensurePlacementRoles, hardenDatabase } from "../db/rollout.ts";
import { withDirect } from "../db/direct.ts";
import { newId } from "../db/ids.ts";
import { databaseName, dedicatedRoles } from "../db/names.ts";
import { routed } from "../platform/placements/model.ts";
import { ensurePlacement, findOwnServer, findPlacement, markReady } from "../platform/placements/queries.ts";
import { readReference } from "../platform/reference/queries.ts";
import { syncReference } from "../platform/reference/sync.ts";
import type { Placement } from "../tenancy/directory.ts";
import type { TestPlatform } from "./platform.ts";

/** A tenant that was just made. */
export interface MadeTenant {
  id: string;
  slug: string;
  tier: "shared" | "dedicated";
  placement: Placement;
  admin: MadeMember;
}

/** A member that was just made, with a session that lives for a day. */
export interface MadeMember {
  id: string;
  sessionId: string;
  role: string;
}

const CONTEXT = { actor: "system", operation: "testing.freshTenant", requestId: "", readOnly: false };

/** Makes a tenant with an admin: about 5 ms in the shared database, about a second with a database of its own. */
export async function makeTenant(platform: TestPlatform, tier: "shared" | "dedicated"): Promise<MadeTenant> {
  const id = newId();
  const slug = `t-${id.replaceAll("-", "").slice(-12)}`;
  const placement = tier === "shared" ? platform.shared : await makeDedicated(platform);
  const [admin] = await Promise.all([
    makeMember(platform, { id, slug, placement }, "admin", true),
    writeTenant(platform, { id, slug, tier, placementId: placement.id }),
  ]);
  return { id, slug, tier, placement, admin };
}

async function writeTenant(
  platform: TestPlatform,
  { id, slug, tier, placementId }: { id: string; slug: string; tier: string; placementId: string },
): Promise<void> {
  const sql = await platform.admin(platform.services.servers.settings.platformDatabase);
  await sql`insert into platform.tenants
      (id, slug, name, tier, status, placement_id, contact_name, contact_email, status_actor)
    values (${id}, ${slug}, ${`Tenant ${slug}`}, ${tier}, 'active', ${placementId}, 'Ada Admin', ${`admin@${slug}.test`},
      'system')`;
}

/** Adds an active member with a session, in one statement; `opening` opens the tenant's gate as well. */
export async function makeMember(
  platform: TestPlatform,
  tenant: Pick<MadeTenant, "id" | "slug" | "placement">,
  role: string,
  opening = false,
): Promise<MadeMember> {
  const sql = await platform.admin(tenant.placement.database);
  const [id, sessionId] = [newId(), newId()];
  const email = `${role}-${id.slice(-12)}@${tenant.slug}.test`;
  const refresh = crypto.getRandomValues(new Uint8Array(32));
  await sql`with gate as (
      insert into app.gates (tenant_id, open) select ${tenant.id}, true where ${opening}
    ), member as (
      insert into tenant.members (tenant_id, id, first_name, last_name, email, role, status)
      values (${tenant.id}, ${id}, 'Ada', ${`The ${role}`}, ${email}, ${role}, 'active')
    )
    insert into tenant.sessions (tenant_id, id, member_id, refresh_hash, expires_at)
    values (${tenant.id}, ${sessionId}, ${id}, ${refresh}, now() + interval '1 day')`;
  return { id, sessionId, role };
}

/** A database of its own, rolled out like one that provisioning makes. */
async function makeDedicated(platform: TestPlatform): Promise<Placement> {
  const { servers, doors } = platform.services;
  const id = newId();
  const [database, roles] = [databaseName(id), dedicatedRoles(id)];
  platform.databases.add(database);
  platform.roles.add(roles.tenantLogin);
  const placement = await doors.asPlatform(CONTEXT, async (tx) => {
    const serverId = await findOwnServer(tx);
    await ensurePlacement(tx, { id, serverId: serverId!, kind: "dedicated", database, roles });
    return await findPlacement(tx, id);
  });
  await withDirect(
    servers.migrator(servers.settings.platformDatabase),
    (sql) => createDatabase(sql, database),
  );
  await withDirect(servers.migrator(database), async (sql) => {
    await ensurePlacementRoles(sql, roles, servers.secret(roles.tenantLogin));
    await closeDatabase(sql, [roles.tenantLogin]);
    await hardenDatabase(await platform.admin(database), roles);
    await deployPlacement(sql, roles, servers.placementKey(id, placement!.key_id));
    await syncReference(sql, roles.owner, await doors.asPlatform(CONTEXT, (tx) => readReference(tx)));
  });
  await doors.asPlatform(CONTEXT, (tx) => markReady(tx, id));
  return routed(placement!);
}

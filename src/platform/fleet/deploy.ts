// `db deploy`: brings our own server to the current state. Roles → databases → platform migrations → queue schema →
// policies → proof, then the shared placement. Idempotent; one session-level lock keeps two rollouts apart.
import { newId } from "../../db/ids.ts";
import { type Sql, withDirect } from "../../db/direct.ts";
import { OWN_ROLES, sharedRoles } from "../../db/names.ts";
import {
  closeDatabase,
  createDatabase,
  deployPlacement,
  deployPlatform,
  deployRoles,
  hardenDatabase,
  type RolloutReport,
} from "../../db/rollout.ts";
import { prepareQueue, type QueueDefinition } from "../../queue/queue.ts";
import type { Servers } from "../../tenancy/servers.ts";

/** What a rollout did. */
export interface DeployReport {
  serverVersion: number;
  /** What could not be closed on this server, by name (R14). */
  residuals: string[];
  platform: RolloutReport;
  shared: RolloutReport;
  ms: number;
}

const LOGINS = [OWN_ROLES.tenantLogin, OWN_ROLES.platformLogin, OWN_ROLES.queueLogin, OWN_ROLES.migrator];

/** Minor versions before which `ON CONFLICT DO UPDATE … WHERE` looks at foreign rows (see docs/security.md). */
const PATCHED: Record<number, number> = { 14: 25, 15: 20, 16: 16, 17: 12, 18: 7 };

/** A sentence when the server's minor version is behind, else null. `version` is `server_version_num`. */
export function versionWarning(version: number): string | null {
  const [major, minor] = [Math.floor(version / 10_000), version % 10_000];
  const patched = PATCHED[major];
  return patched !== undefined && minor < patched
    ? `PostgreSQL ${major}.${minor} has known faults that were mended in ${major}.${patched}: update the server`
    : null;
}

/** Rolls out our own server. Throws with the failing step's error; what the proof refuses is rolled back. */
export async function deployOwnServer(servers: Servers, queues: QueueDefinition[]): Promise<DeployReport> {
  const started = performance.now();
  const { maintenanceDatabase } = servers.settings;
  return await withDirect(servers.admin(maintenanceDatabase), async (admin) => {
    await admin`select pg_advisory_lock(hashtext('bulkhead rollout'))`;
    const { serverVersion, residuals } = await prepareServer(servers, admin);
    const platform = await rolloutPlatform(servers, queues);
    const shared = await rolloutShared(servers);
    return { serverVersion, residuals, platform, shared, ms: performance.now() - started };
  });
}

async function prepareServer(servers: Servers, admin: Sql) {
  const { platformDatabase, sharedDatabase } = servers.settings;
  const residuals: string[] = [];
  const [{ superuser, version }] = await admin<{ superuser: boolean; version: number }[]>`
    select rolsuper as superuser, current_setting('server_version_num')::int as version
    from pg_roles where rolname = current_user`;
  if (version < 150_000) throw new Error(`PostgreSQL 15 or later is needed; the server is ${version}`);
  const passwords = Object.fromEntries(LOGINS.map((login) => [login, servers.secret(login)]));
  await deployRoles(admin, sharedRoles(), passwords);
  for (const database of new Set([platformDatabase, sharedDatabase])) {
    await prepareDatabase(servers, admin, database, superuser, residuals);
  }
  for (const database of ["postgres", "template1"]) {
    if (database === platformDatabase || database === sharedDatabase) continue;
    await withDirect(servers.admin(database), async (sql) => {
      await closeDatabase(sql, []);
      if (superuser && database === "template1") await hardenDatabase(sql, null);
    }).catch(() => residuals.push(`database "${database}" could not be closed to PUBLIC`));
  }
  if (!superuser) residuals.push("no event trigger: new tables are found by the proof alone");
  return { serverVersion: version, residuals };
}

/** Makes a database if it is missing, closes it to PUBLIC and opens it to our logins. */
async function prepareDatabase(servers: Servers, admin: Sql, name: string, superuser: boolean, residuals: string[]) {
  const { platformDatabase, sharedDatabase } = servers.settings;
  if (await createDatabase(admin, name)) await admin.unsafe(`alter database "${name}" owner to ${OWN_ROLES.migrator}`);
  const logins: string[] = [OWN_ROLES.migrator];
  if (name === platformDatabase) logins.push(OWN_ROLES.platformLogin, OWN_ROLES.queueLogin);
  if (name === sharedDatabase) logins.push(OWN_ROLES.tenantLogin);
  await withDirect(servers.admin(name), async (sql) => {
    await closeDatabase(sql, logins).catch(() => residuals.push(`database "${name}" could not be closed to PUBLIC`));
    await sql.unsafe(`grant create on database "${name}" to ${OWN_ROLES.migrator}`);
    if (superuser) await hardenDatabase(sql, name === sharedDatabase ? sharedRoles() : null);
  });
}

async function rolloutPlatform(servers: Servers, queues: QueueDefinition[]): Promise<RolloutReport> {
  const target = servers.migrator(servers.settings.platformDatabase);
  await prepareQueue(target, queues);
  return await withDirect(target, (sql) => deployPlatform(sql, sharedRoles()));
}

/** The shared placement: its row in the platform database, then its schema with the key that the row's id derives. */
async function rolloutShared(servers: Servers): Promise<RolloutReport> {
  const { platformDatabase, sharedDatabase } = servers.settings;
  const placement = await withDirect(servers.migrator(platformDatabase), (sql) => registerShared(sql, servers));
  const key = servers.placementKey(placement.id, placement.key_id);
  const report = await withDirect(
    servers.migrator(sharedDatabase),
    (sql) => deployPlacement(sql, sharedRoles(), key),
  );
  await withDirect(servers.migrator(platformDatabase), async (sql) => {
    await sql.begin(async (tx) => {
      await tx.unsafe(`set local role ${OWN_ROLES.owner}`);
      await tx`update platform.placements set state = 'ready', ready_at = coalesce(ready_at, now()) where id = ${placement.id}`;
    });
  });
  return report;
}

async function registerShared(sql: Sql, servers: Servers): Promise<{ id: string; key_id: number }> {
  const { host, port, tls, sharedDatabase } = servers.settings;
  const roles = sharedRoles();
  return await sql.begin(async (tx) => {
    await tx.unsafe(`set local role ${OWN_ROLES.owner}`);
    const [server] = await tx`
      insert into platform.servers (id, name, kind, host, port, tls_mode, server_version_num)
      values (${newId()}, 'own', 'own', ${host}, ${port}, ${
      tls?.mode ?? "disable"
    }, current_setting('server_version_num')::int)
      on conflict (name) do update set host = excluded.host, port = excluded.port, tls_mode = excluded.tls_mode,
        server_version_num = excluded.server_version_num
      returning id`;
    const [placement] = await tx<{ id: string; key_id: number }[]>`
      insert into platform.placements (id, server_id, kind, database_name, tenant_login, owner_role, keeper_role)
      values (${newId()}, ${server.id}, 'shared', ${sharedDatabase}, ${roles.tenantLogin}, ${roles.owner}, ${roles.keeper})
      on conflict (server_id, database_name) do update set tenant_login = excluded.tenant_login
      returning id, key_id`;
    return placement;
  }) as { id: string; key_id: number };
}

// Which database a new tenant gets. The rows of server and placement are written first, in one transaction with the
// tenant's reference to them: a database is made only under a name that is on record.
import { newId } from "../../db/ids.ts";
import { byoRoles, databaseName, dedicatedRoles } from "../../db/names.ts";
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { byoScope } from "../applications/model.ts";
import { findByoConnection } from "../applications/queries.ts";
import { type Placement, serverScope } from "../placements/model.ts";
import {
  ensurePlacement,
  findOwnServer,
  findPlacement,
  findSharedPlacement,
  insertByoServer,
  type NewByoServer,
} from "../placements/queries.ts";
import { holdLease } from "./queries.ts";
import type { Done, Run } from "./run.ts";

/** The tenant's placement; chosen and written down if it has none. */
export async function choosePlacement(run: Run): Promise<Placement> {
  const existing = await run.asPlatform((tx) => placementOf(tx, run.tenantId));
  if (existing) return existing;
  const byo = run.application.tier === "byo" ? await byoServer(run) : null;
  return await run.asPlatform(async (tx) => {
    await holdLease(tx, run.lease);
    const id = await assign(tx, run, byo);
    await tx`update platform.tenants set placement_id = ${id} where id = ${run.tenantId} and placement_id is null`;
    const placement = await findPlacement(tx, id);
    if (!placement) throw new AppError("internal", "The placement was not written");
    return placement;
  });
}

/** The placement that a tenant has, or undefined. */
export async function placementOf(tx: Tx, tenantId: string): Promise<Placement | undefined> {
  const [tenant] = await tx<
    { placement_id: string | null }
  >`select placement_id from platform.tenants where id = ${tenantId}`;
  return tenant?.placement_id ? await findPlacement(tx, tenant.placement_id) : undefined;
}

async function assign(tx: Tx, run: Run, byo: ByoPlace | null): Promise<string> {
  const id = newId();
  if (byo) {
    await insertByoServer(tx, byo.server);
    return await ensurePlacement(tx, {
      id,
      serverId: byo.server.id,
      kind: "byo",
      database: byo.database,
      roles: byoRoles(id),
    });
  }
  if (run.application.tier === "shared") {
    const shared = await findSharedPlacement(tx);
    if (!shared) throw new AppError("database_unavailable", "No shared placement is ready");
    return shared.id;
  }
  const serverId = await findOwnServer(tx);
  if (!serverId) throw new AppError("database_unavailable", "No server of ours is on record");
  const database = databaseName(id);
  return await ensurePlacement(tx, { id, serverId, kind: "dedicated", database, roles: dedicatedRoles(id) });
}

interface ByoPlace {
  server: NewByoServer;
  database: string;
}

/** The customer's server as the application names it; its password is sealed anew, for the server's row. */
async function byoServer(run: Run): Promise<ByoPlace> {
  const { secrets } = run.services;
  const connection = await run.asPlatform((tx) => findByoConnection(tx, run.application.id));
  if (!connection) throw new AppError("unprocessable", "The application names no server");
  const id = newId();
  const password = await secrets.open(connection.password, byoScope(run.application.id));
  const { host, port, database, user, tls_mode, tls_ca } = connection;
  const admin_secret = await secrets.seal(password, serverScope(id));
  return { server: { id, host, port, tls_mode, tls_ca, admin_user: user, admin_secret, version_num: null }, database };
}

/** Refuses a customer's database in which another installation or tenant of ours lives; notes the server's version. */
export async function refuseForeignSchemas(run: Run): Promise<Done> {
  const { placement } = run;
  const connection = await run.direct();
  const [{ version, foreign }] = await connection`select current_setting('server_version_num')::int as version,
    exists (select from pg_namespace where nspname in ('app', 'tenant', 'reference')
      and pg_get_userbyid(nspowner) not in (${placement.keeper_role}, ${placement.owner_role})) as foreign`;
  if (foreign) throw new AppError("conflict", "Another tenant lives in the customer's database");
  return {
    record: async (tx) =>
      void await tx`update platform.servers set server_version_num = ${version} where id = ${placement.server.id}`,
  };
}

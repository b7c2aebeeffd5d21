// Servers and placements in the platform database. Rows are written before what they describe is made, so that a
// database that was made and then forgotten cannot be: whatever exists is named here.
import type { PlacementRoles } from "../../db/names.ts";
import { type Query, type Rows, sql, type Tx } from "../../db/sql.ts";
import type { Tier } from "../tenants/model.ts";
import type { Placement, Server } from "./model.ts";

const SELECT = sql`select p.id, p.kind, p.database_name, p.tenant_login, p.owner_role, p.keeper_role, p.key_id, p.state,
    jsonb_build_object('id', s.id, 'kind', s.kind, 'host', s.host, 'port', s.port, 'tls_mode', s.tls_mode,
      'tls_ca', s.tls_ca, 'admin_user', s.admin_user, 'admin_secret', s.admin_secret) as server
  from platform.placements p join platform.servers s on s.id = p.server_id`;

/** The server of ours that new placements go to: the oldest one. */
export function findOwnServer(tx: Tx): Query<string | undefined> {
  return tx<{ id: string }>`select id from platform.servers where kind = 'own' order by id limit 1`
    .map((rows) => rows[0]?.id);
}

/** A customer's server before it has a row; the password is sealed for the id. */
export type NewByoServer = Omit<Server, "kind"> & { version_num: number | null };

/** Writes down a customer's server. */
export function insertByoServer(tx: Tx, server: NewByoServer): Query<Rows<unknown>> {
  return tx`insert into platform.servers
      (id, name, kind, host, port, tls_mode, tls_ca, admin_user, admin_secret, server_version_num)
    values (${server.id}, ${"byo-" + server.id}, 'byo', ${server.host}, ${server.port}, ${server.tls_mode},
      ${server.tls_ca}, ${server.admin_user}, ${server.admin_secret}, ${server.version_num})`;
}

/** A placement before it has a row. */
export interface NewPlacement {
  id: string;
  serverId: string;
  kind: Tier;
  database: string;
  roles: PlacementRoles;
}

/** Writes down a placement in state `preparing`, unless its database has a row already; gives the id of the row. */
export function ensurePlacement(tx: Tx, { id, serverId, kind, database, roles }: NewPlacement): Query<string> {
  return tx<{ id: string }>`with made as (
      insert into platform.placements (id, server_id, kind, database_name, tenant_login, owner_role, keeper_role)
      values (${id}, ${serverId}, ${kind}, ${database}, ${roles.tenantLogin}, ${roles.owner}, ${roles.keeper})
      on conflict (server_id, database_name) do nothing returning id)
    select id from made
    union all select id from platform.placements where server_id = ${serverId} and database_name = ${database}`
    .map((rows) => rows[0].id);
}

/** One placement with its server, or undefined. */
export function findPlacement(tx: Tx, id: string): Query<Placement | undefined> {
  return tx<Placement>`${SELECT} where p.id = ${id}`.map((rows) => rows[0]);
}

/** The placement of a tenant, or undefined where the tenant has none yet or is not there. */
export function findPlacementOf(tx: Tx, tenantId: string): Query<Placement | undefined> {
  return tx<Placement>`${SELECT} where p.id = (select placement_id from platform.tenants where id = ${tenantId})`
    .map((rows) => rows[0]);
}

/** The shared placement for a new tenant: the ready one with the fewest tenants. */
export function findSharedPlacement(tx: Tx): Query<Placement | undefined> {
  return tx<Placement>`${SELECT} where p.kind = 'shared' and p.state = 'ready'
    order by (select count(*) from platform.tenants t where t.placement_id = p.id), p.id limit 1`.map((rows) =>
    rows[0]
  );
}

/** All placements that are ready, oldest first. */
export function listReadyPlacements(tx: Tx): Query<Rows<Placement>> {
  return tx<Placement>`${SELECT} where p.state = 'ready' order by p.id`;
}

/** Says that migrations, policies and proof have passed there. */
export function markReady(tx: Tx, id: string): Query<Rows<unknown>> {
  return tx`update platform.placements set state = 'ready', ready_at = coalesce(ready_at, now())
    where id = ${id} and state <> 'ready'`;
}

/** Signs contexts with key `next` from now on, if `current` is what they are signed with; gives whether that was so. */
export function switchKey(tx: Tx, id: string, current: number, next: number): Query<boolean> {
  return tx`update platform.placements set key_id = ${next} where id = ${id} and key_id = ${current}`
    .map((rows) => rows.count > 0);
}

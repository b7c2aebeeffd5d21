// Where tenants' rows live: servers and the databases on them, as provisioning and rollouts need to know them.
import type { PlacementRoles } from "../../db/names.ts";
import type { Placement as RoutedPlacement } from "../../tenancy/directory.ts";
import type { Tier } from "../tenants/model.ts";

/** A PostgreSQL server. `admin_secret` is sealed and only there for a customer's. */
export interface Server {
  id: string;
  kind: "own" | "byo";
  host: string;
  port: number;
  tls_mode: "disable" | "require";
  tls_ca: string | null;
  admin_user: string | null;
  admin_secret: string | null;
}

/** A database that holds tenant-plane rows, and its server. */
export interface Placement {
  id: string;
  kind: Tier;
  database_name: string;
  tenant_login: string;
  owner_role: string;
  keeper_role: string;
  key_id: number;
  state: "preparing" | "ready" | "failed";
  server: Server;
}

/** The roles of a placement, as rollouts want them. */
export function rolesOf(placement: Placement): PlacementRoles {
  return { owner: placement.owner_role, keeper: placement.keeper_role, tenantLogin: placement.tenant_login };
}

/** The placement as the doors' routing wants it. */
export function routed(placement: Placement): RoutedPlacement {
  const { server } = placement;
  const theirs = server.kind === "byo";
  return {
    id: placement.id,
    kind: placement.kind,
    database: placement.database_name,
    login: placement.tenant_login,
    key_id: placement.key_id,
    host: theirs ? server.host : null,
    port: theirs ? server.port : null,
    tls_mode: server.tls_mode,
    tls_ca: server.tls_ca,
  };
}

/** What the sealed password of a server's administrator is bound to. */
export function serverScope(serverId: string): { purpose: string; id: string } {
  return { purpose: "server.admin", id: serverId };
}

// Names of databases and roles. They are opaque and derived from ids, never from what a customer typed: two long
// names cannot collapse into one, and a name gives nothing away (R8 of the security model).

/** The roles of one placement, and what the SQL files call them: `:"owner"`, `:"keeper"`, `:"tenant_login"`. */
export interface PlacementRoles {
  /** NOLOGIN; owns the schemas tenant and reference. */
  owner: string;
  /** NOLOGIN; owns the schema app (context and keys) and nothing else. */
  keeper: string;
  /** LOGIN; what requests and jobs run as. */
  tenantLogin: string;
}

/** Roles of our own server, cluster-wide. */
export const OWN_ROLES = {
  owner: "bulkhead_owner",
  keeper: "bulkhead_keeper",
  tenantLogin: "bulkhead_tenant",
  platformLogin: "bulkhead_platform",
  migrator: "bulkhead_migrator",
  queueLogin: "bulkhead_queue",
} as const;

function compact(id: string): string {
  const hex = id.toLowerCase().replaceAll("-", "");
  if (!/^[0-9a-f]{32}$/.test(hex)) throw new TypeError("A name needs a uuid");
  return hex;
}

/** The database of a dedicated placement: 36 bytes. */
export function databaseName(placementId: string): string {
  return `bh_d_${compact(placementId)}`;
}

/** Roles of a dedicated placement on our server: a login of its own, owner and keeper shared with the server. */
export function dedicatedRoles(placementId: string): PlacementRoles {
  return { owner: OWN_ROLES.owner, keeper: OWN_ROLES.keeper, tenantLogin: `bh_l_${compact(placementId)}` };
}

/** Roles on a customer's server: all of their own, since other placements there may belong to other logins. */
export function byoRoles(placementId: string): PlacementRoles {
  const hex = compact(placementId);
  return { owner: `bh_o_${hex}`, keeper: `bh_k_${hex}`, tenantLogin: `bh_l_${hex}` };
}

/** Roles of the shared placements. */
export function sharedRoles(): PlacementRoles {
  return { owner: OWN_ROLES.owner, keeper: OWN_ROLES.keeper, tenantLogin: OWN_ROLES.tenantLogin };
}

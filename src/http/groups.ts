// The groups that app.ts lists routes by: who may call is decided by the group, never in a handler.

/** Who may call the routes of a group. */
export const GROUPS = {
  /** Anyone, on the platform. */
  open: { tenant: false, caller: "anyone" },
  /** Anyone, inside a tenant that the request names: signing in. */
  tenantOpen: { tenant: true, caller: "anyone" },
  /** Members of the tenant. */
  tenantMember: { tenant: true, caller: "member" },
  /** Operators of the platform. */
  platformStaff: { tenant: false, caller: "operator" },
} as const;

/** The name of a group. */
export type Group = keyof typeof GROUPS;

// What can be allowed in a tenant, and the roles that every tenant has. A module adds its resource and actions here once;
// its routes then say `can: "<resource>.<action>"`, and tenants can put it in roles of their own and in API keys.

/** Every resource and what can be done with it. */
export const PERMISSIONS = {
  members: ["view", "create", "edit", "delete"],
  invitations: ["view", "create", "revoke"],
  roles: ["view", "create", "edit", "delete"],
  units: ["view", "create", "edit", "delete"],
  sessions: ["view", "revoke"],
  api_keys: ["view", "create", "edit", "revoke"],
  settings: ["view", "edit"],
  audit: ["view", "export"],
  impersonations: ["view", "end"],
  jobs: ["view"],
  buildings: ["view", "create", "edit", "delete"],
  properties: ["view", "create", "edit", "delete"],
  renters: ["view", "create", "edit", "delete"],
  meters: ["view", "create", "edit", "delete"],
  readings: ["view", "import"],
  tariffs: ["view"],
  invoices: ["view", "run"],
  reports: ["view", "create"],
} as const satisfies Record<string, readonly string[]>;

/** A resource of a tenant. */
export type Resource = keyof typeof PERMISSIONS;

/** One permission as routes name it, `<resource>.<action>`. */
export type Permission = { [R in Resource]: `${R}.${typeof PERMISSIONS[R][number]}` }[Resource];

/** What somebody may do: resource → actions; `*` stands for every resource or every action. */
export type Permissions = Record<string, readonly string[]>;

/**
 * The most that who is limited to units may hold. What is left out reaches beyond units: whoever could give roles, units or
 * keys could lift the limit, the audit tells of every row, and invoices are numbered across the tenant. A new resource comes
 * here only when its tables are narrowed by tenant.limit_to_units (sql/policies/33_rows.sql, or the module's own file), so
 * it is a list of its own.
 */
export const WITHIN_UNITS: Permissions = {
  buildings: ["*"],
  properties: ["*"],
  renters: ["*"],
  meters: ["*"],
  readings: ["*"],
  tariffs: ["*"],
  invoices: ["view"],
  reports: ["*"],
  jobs: ["view"],
  members: ["view"],
  units: ["view"],
};

/** What managers may do: all that people of units may, for every row, and what reaches beyond units. */
const ALL_OF_THE_DOMAIN: Permissions = { ...WITHIN_UNITS, invoices: ["*"] };

/** A role that every tenant has. */
export interface BuiltInRole {
  name: string;
  description: string;
  permissions: Permissions;
  /** Whether its members see only the rows of their units. */
  unitsOnly: boolean;
}

/** The roles that every tenant has; tenants add their own, none of these can be changed. */
export const BUILT_IN_ROLES: Record<string, BuiltInRole> = {
  admin: {
    name: "Administrator",
    description: "May do everything in the tenant",
    permissions: { "*": ["*"] },
    unitsOnly: false,
  },
  manager: {
    name: "Manager",
    description: "Runs the business: everything but people and settings",
    permissions: ALL_OF_THE_DOMAIN,
    unitsOnly: false,
  },
  unit_manager: {
    name: "Manager of units",
    description: "As a manager, but only for the buildings of the member's own units; no billing runs",
    permissions: WITHIN_UNITS,
    unitsOnly: true,
  },
  member: {
    name: "Member",
    description: "May look at the business",
    permissions: Object.fromEntries(Object.keys(ALL_OF_THE_DOMAIN).map((resource) => [resource, ["view"]])),
    unitsOnly: false,
  },
};

/** The built-in role with this key, if there is one. */
export function builtInRole(key: string): BuiltInRole | undefined {
  return Object.hasOwn(BUILT_IN_ROLES, key) ? BUILT_IN_ROLES[key] : undefined;
}

/** A member's role as the database has it: what a role of the tenant's own says, null for a built-in one. */
export interface RoleRow {
  role: string;
  effective: Permissions | null;
  units_only: boolean | null;
}

/** What a role lets its members do. A role that nobody knows lets them do nothing. */
export function rightsOf({ role, effective, units_only }: RoleRow): { permissions: Permissions; unitsOnly: boolean } {
  const builtIn = builtInRole(role);
  return {
    permissions: effective ?? builtIn?.permissions ?? {},
    unitsOnly: units_only ?? builtIn?.unitsOnly ?? false,
  };
}

/** The permissions of several, put together. */
export function mergePermissions(several: readonly Permissions[]): Permissions {
  const merged = new Map<string, Set<string>>();
  for (const permissions of several) {
    for (const [resource, actions] of Object.entries(permissions)) {
      const known = merged.get(resource) ?? new Set();
      actions.forEach((action) => known.add(action));
      merged.set(resource, known);
    }
  }
  return Object.fromEntries([...merged].map(([resource, actions]) => [resource, [...actions]]));
}

/** What of `wanted` goes beyond `held`, as `resource.action`: nobody hands on what they do not hold. */
export function beyond(wanted: Permissions, held: Permissions): string[] {
  const holds = (resource: string, action: string) =>
    [held[resource], held["*"]].some((actions) => actions?.includes(action) || actions?.includes("*"));
  return Object.entries(wanted).flatMap(([resource, actions]) =>
    actions.filter((action) => !coveredBy(resource, action, holds)).map((action) => `${resource}.${action}`)
  );
}

/** `*` is covered by who holds all that it stands for. */
function coveredBy(resource: string, action: string, holds: (resource: string, action: string) => boolean): boolean {
  if (holds(resource, action)) return true;
  const resources = resource === "*" ? Object.keys(PERMISSIONS) : [resource];
  return resources.every((one) => {
    const actions = action === "*" ? PERMISSIONS[one as Resource] ?? [] : [action];
    return actions.length > 0 && actions.every((each) => holds(one, each));
  });
}

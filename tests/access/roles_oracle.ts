// What should be decided, kept as plain sets: roles, members, units, sessions of one tenant. It knows nothing of tokens,
// versions, processes, SQL or CASL: that is what is compared with it.
import { BUILT_IN_ROLES, PERMISSIONS, WITHIN_UNITS } from "../../src/identity/permissions.ts";

/** A role of the tenant's own. */
export interface Role {
  permissions: Record<string, string[]>;
  includes: string[];
  unitsOnly: boolean;
}

/** A member; `live` are the sessions that were not ended. */
export interface Member {
  id: string;
  role: string;
  active: boolean;
  units: Set<string>;
  sessions: { id: string; live: boolean; tokens: string[] }[];
}

const everything = Object.entries(PERMISSIONS).flatMap(([resource, actions]) =>
  actions.map((action) => `${resource}.${action}`)
);

const expanded = new WeakMap<Record<string, readonly string[]>, Set<string>>();

function expand(permissions: Record<string, readonly string[]>): Set<string> {
  const granted = Object.entries(permissions);
  const found = expanded.get(permissions) ?? new Set(everything.filter((one) => {
    const [resource, action] = one.split(".");
    return granted.some(([r, actions]) =>
      (r === "*" || r === resource) && (actions.includes("*") || actions.includes(action))
    );
  }));
  expanded.set(permissions, found);
  return found;
}

const withinUnits = expand(WITHIN_UNITS);
// A star stands for what will be added as well, so it is more than all that there is now.
const hasStar = (permissions: Record<string, readonly string[]>) => "*" in permissions;

/** One tenant as it should be. */
export class Oracle {
  roles = new Map<string, Role>();
  members: Member[] = [];
  /** Unit → the unit above. */
  units = new Map<string, string | null>();
  /** Building → its unit. */
  buildings = new Map<string, string | null>();

  /** Whether a role could be changed to this: no loop, and nothing beyond units in a role of units. */
  allowsRole(key: string, wanted: Role): boolean {
    const roles = new Map([...this.roles, [key, wanted]]);
    for (const one of roles.keys()) {
      const found = this.#reach(one, roles);
      if (found === null) return false;
      if (!roles.get(one)!.unitsOnly) continue;
      const parts = found.map((part) => roles.get(part)?.permissions ?? BUILT_IN_ROLES[part].permissions);
      if (parts.some(hasStar)) return false;
      if (parts.some((part) => [...expand(part)].some((permission) => !withinUnits.has(permission)))) return false;
    }
    return true;
  }

  /** A role and all that it includes; null for a loop. */
  #reach(key: string, roles: Map<string, Role>, trail: string[] = []): string[] | null {
    if (trail.includes(key)) return null;
    const below = (roles.get(key)?.includes ?? []).map((one) => this.#reach(one, roles, [...trail, key]));
    return below.includes(null) ? null : [key, ...below.flatMap((one) => one!)];
  }

  /** Whether a unit could be moved below another. */
  allowsMove(unit: string, parent: string | null): boolean {
    for (let at = parent; at !== null; at = this.units.get(at) ?? null) if (at === unit) return false;
    return true;
  }

  mayNow(member: Member, permission: string): boolean {
    const parts = this.#reach(member.role, this.roles)!;
    return parts.some((part) =>
      expand(this.roles.get(part)?.permissions ?? BUILT_IN_ROLES[part].permissions).has(permission)
    );
  }

  /** The buildings that a member sees. */
  seenBy(member: Member): string[] {
    const limited = this.roles.get(member.role)?.unitsOnly ?? BUILT_IN_ROLES[member.role].unitsOnly;
    const sees = (unit: string | null) => {
      for (let at = unit; at !== null; at = this.units.get(at) ?? null) if (member.units.has(at)) return true;
      return false;
    };
    return [...this.buildings].filter(([, unit]) => !limited || sees(unit)).map(([id]) => id).sort();
  }
}

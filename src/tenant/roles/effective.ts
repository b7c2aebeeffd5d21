// What a role amounts to: its own permissions and those of all it includes. Pure; what is stored is what came out here,
// so a change of a role is reckoned for every role that includes it, in the same transaction.
import { AppError } from "../../errors.ts";
import { beyond, builtInRole, mergePermissions, type Permissions, WITHIN_UNITS } from "../../identity/permissions.ts";

/** A role of the tenant's own, as far as reckoning needs it. */
export interface OwnRole {
  key: string;
  permissions: Permissions;
  includes: string[];
  effective: Permissions;
  units_only: boolean;
}

/** Whether two sets allow the same by the same words; both are as `mergePermissions` writes them. */
export function samePermissions(one: Permissions, other: Permissions): boolean {
  const plain = (permissions: Permissions) =>
    JSON.stringify(Object.keys(permissions).sort().map((resource) => [resource, [...permissions[resource]].sort()]));
  return plain(one) === plain(other);
}

/**
 * Reckons every role anew; gives those that came out different from what they say.
 * @throws AppError `unprocessable` for a loop and for a role of units that would reach beyond them, `reference_not_found`
 * for an included role that is not there.
 */
export function reckon(roles: ReadonlyMap<string, OwnRole>): OwnRole[] {
  const done = new Map<string, Permissions>();
  const effectiveOf = (key: string, trail: string[]): Permissions => {
    const builtIn = builtInRole(key);
    if (builtIn) return builtIn.permissions;
    const role = roles.get(key);
    if (!role) throw new AppError("reference_not_found", `There is no role "${key}"`);
    if (trail.includes(key)) {
      const loop = [...trail.slice(trail.indexOf(key)), key].map((one) => `"${one}"`).join(" → ");
      throw new AppError("unprocessable", `A role cannot include itself: ${loop}`);
    }
    let effective = done.get(key);
    if (!effective) {
      const included = role.includes.map((one) => effectiveOf(one, [...trail, key]));
      done.set(key, effective = mergePermissions([role.permissions, ...included]));
    }
    return effective;
  };
  return [...roles.values()].flatMap((role) => {
    const effective = effectiveOf(role.key, []);
    const [over] = role.units_only ? beyond(effective, WITHIN_UNITS) : [];
    if (over) {
      throw new AppError("unprocessable", `The role "${role.key}" is limited to units: "${over}" reaches beyond them`);
    }
    return samePermissions(effective, role.effective) ? [] : [{ ...role, effective }];
  });
}

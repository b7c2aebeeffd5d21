// Whether a permission is held, decided by CASL. Abilities are made once for each set of permissions; nothing is loaded here.
import { createMongoAbility, type MongoAbility } from "@casl/ability";
import type { Permission, Permissions } from "./permissions.ts";

const abilities = new WeakMap<Permissions, MongoAbility>();

/** CASL's words for "every": any action is `manage`, any resource is `all`. */
function rules(permissions: Permissions) {
  return Object.entries(permissions).filter(([, actions]) => actions.length > 0).map(([resource, actions]) => ({
    action: actions.includes("*") ? "manage" : [...actions],
    subject: resource === "*" ? "all" : resource,
  }));
}

/** The CASL ability of a set of permissions: for questions that one permission cannot put. */
export function abilityOf(permissions: Permissions): MongoAbility {
  let ability = abilities.get(permissions);
  if (!ability) abilities.set(permissions, ability = createMongoAbility(rules(permissions)));
  return ability;
}

/** Whether `permissions` hold `permission`. */
export function allows(permissions: Permissions, permission: Permission): boolean {
  const [resource, action] = permission.split(".");
  return abilityOf(permissions).can(action, resource);
}

// The API of roles. What is changed here holds at the next statement of everybody whom it concerns, in every process.
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { type Call, route } from "../../http/route.ts";
import { BUILT_IN_ROLES, mergePermissions, PERMISSIONS } from "../../identity/permissions.ts";
import { type OwnRole, reckon } from "./effective.ts";
import { lockAccess, refuseBeyond } from "./granting.ts";
import { byKey, newRole, permissionList, role, roleChange, roles } from "./model.ts";
import * as queries from "./queries.ts";
import type { StoredRole } from "./queries.ts";

const tag = "Roles";

/** Roles of a tenant's own: a change reckons all of them. */
const MAX_ROLES = 200;

const permissions = route({
  operation: "roles.permissions",
  method: "get",
  path: "/v1/permissions",
  summary: "List the resources and what can be done with each",
  tag,
  can: "roles.view",
  answer: permissionList,
  handler: async (call) => {
    await call.stillIn();
    return { items: Object.entries(PERMISSIONS).map(([resource, actions]) => ({ resource, actions: [...actions] })) };
  },
});

const list = route({
  operation: "roles.list",
  method: "get",
  path: "/v1/roles",
  summary: "List roles: the built-in ones and your own",
  tag,
  can: "roles.view",
  answer: roles,
  handler: async (call) => ({ items: await call.asTenant((tx) => queries.listRoles(tx)) }),
});

const get = route({
  operation: "roles.get",
  method: "get",
  path: "/v1/roles/{key}",
  summary: "Show a role",
  tag,
  can: "roles.view",
  params: byKey,
  answer: role,
  handler: (call) => call.asTenant((tx) => queries.getRole(tx, call.params.key)),
});

const create = route({
  operation: "roles.create",
  method: "post",
  path: "/v1/roles",
  summary: "Add a role",
  description:
    "Nobody can put into a role what they do not hold themselves. A role that is limited to units can hold " +
    "only what stays within them.",
  tag,
  can: "roles.create",
  body: newRole,
  idempotent: true,
  status: 201,
  answer: role,
  handler: (call) =>
    call.asTenant(async (tx) => {
      const known = await lockedRoles(tx);
      const { key, description = null, permissions, ...rest } = call.body;
      if (known.has(key) || Object.hasOwn(BUILT_IN_ROLES, key)) {
        throw new AppError("already_exists", `There is a role "${key}" already`);
      }
      if (known.size >= MAX_ROLES) {
        throw new AppError("plan_limit", `A tenant has at most ${MAX_ROLES} roles of its own`);
      }
      const made = { ...rest, key, description, permissions: mergePermissions([permissions]), effective: {} };
      known.set(key, made);
      const { effective } = reckon(known).find((one) => one.key === key) ?? made;
      refuseBeyond(call, effective);
      await queries.insertRole(tx, { ...made, effective });
      return await queries.getRole(tx, key);
    }),
});

const update = route({
  operation: "roles.update",
  method: "patch",
  path: "/v1/roles/{key}",
  summary: "Change a role of your own",
  description: "Holds at once for everybody who has the role, or one that includes it.",
  tag,
  can: "roles.edit",
  params: byKey,
  body: roleChange,
  answer: role,
  handler: (call) =>
    call.asTenant(async (tx) => {
      const { key } = call.params;
      const known = await lockedRoles(tx);
      const before = changeable(known, call, key);
      const wanted: StoredRole = { ...before, ...call.body };
      wanted.permissions = mergePermissions([wanted.permissions]);
      known.set(key, wanted);
      const changed = reckon(known);
      refuseBeyond(call, changed.find((one) => one.key === key)?.effective ?? wanted.effective);
      await queries.updateRole(tx, wanted);
      await queries.storeReckoned(tx, changed, touchedBy(changed, before, wanted));
      return await queries.getRole(tx, key);
    }),
});

const remove = route({
  operation: "roles.delete",
  method: "delete",
  path: "/v1/roles/{key}",
  summary: "Remove a role of your own",
  description:
    "Refused with `still_referenced` while somebody has or is invited to it, a role includes it, or it is the default.",
  tag,
  can: "roles.delete",
  params: byKey,
  status: 204,
  answer: null,
  handler: (call) =>
    call.asTenant(async (tx) => {
      const known = await lockedRoles(tx);
      changeable(known, call, call.params.key);
      await queries.deleteRole(tx, call.params.key);
    }),
});

async function lockedRoles(tx: Tx): Promise<Map<string, StoredRole>> {
  await lockAccess(tx);
  return new Map((await queries.lockRoles(tx)).map((role) => [role.key, role]));
}

/** The role as it is. Built-in ones stay as they are, and one that holds more than the caller is not the caller's to change. */
function changeable(known: ReadonlyMap<string, StoredRole>, call: Call, key: string): StoredRole {
  if (Object.hasOwn(BUILT_IN_ROLES, key)) {
    throw new AppError("invalid_state", `The role "${key}" is built in: make one of your own that includes it`);
  }
  const role = known.get(key);
  if (!role) throw new AppError("not_found");
  refuseBeyond(call, role.effective, "This role holds");
  return role;
}

/** Roles whose members may do something else from now on. */
function touchedBy(changed: OwnRole[], before: StoredRole, wanted: StoredRole): string[] {
  const keys = changed.map(({ key }) => key);
  return before.units_only === wanted.units_only || keys.includes(wanted.key) ? keys : [...keys, wanted.key];
}

export const routes = [permissions, list, get, create, update, remove];

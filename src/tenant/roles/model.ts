// Roles as callers see them: the built-in ones of the platform and the tenant's own.
import { z } from "@hono/zod-openapi";
import { PERMISSIONS } from "../../identity/permissions.ts";
import { text } from "../fields.ts";

/** The key of a role, built-in or the tenant's own. */
export const roleKey = z.string().regex(/^[a-z][a-z0-9_]{1,39}$/, "Give a built-in role or the key of one of your own")
  .openapi({ example: "caretaker" });

/** Resource → actions, each one that there is; `*` stands for all. A wrong one is named. */
export const permissionSet = z.record(z.string().max(50), z.array(z.string().max(50)).max(50)).check(
  ({ value, issues }) => {
    const fault = (resource: string, message: string) =>
      issues.push({ code: "custom", input: value, path: [resource], message });
    for (const [resource, actions] of Object.entries(value)) {
      const known: readonly string[] | undefined = resource === "*"
        ? []
        : Object.hasOwn(PERMISSIONS, resource)
        ? PERMISSIONS[resource as keyof typeof PERMISSIONS]
        : undefined;
      if (!known) fault(resource, `There is no resource "${resource}"`);
      else {
        const wrong = actions.find((action) => action !== "*" && !known.includes(action));
        if (wrong !== undefined) fault(resource, `There is no action "${wrong}" on "${resource}"`);
      }
    }
  },
).openapi({ example: { buildings: ["view", "edit"] } });

const fields = {
  name: text(100),
  description: text(500).nullish(),
  permissions: permissionSet,
  includes: z.array(roleKey).max(20).openapi({ description: "Roles whose permissions it has as well" }),
  units_only: z.boolean().openapi({ description: "Whether its members see only the rows of their units" }),
};

export const newRole = z.strictObject({
  key: roleKey,
  ...fields,
  permissions: fields.permissions.default({}),
  includes: fields.includes.default([]),
  units_only: fields.units_only.default(false),
}).openapi("NewRole");

export const roleChange = z.strictObject(fields).partial()
  .refine((body) => Object.keys(body).length > 0, "Name at least one field").openapi("RoleChange");
export type RoleChange = z.output<typeof roleChange>;

export const role = z.object({
  key: z.string(),
  name: z.string(),
  description: z.string().nullable(),
  built_in: z.boolean(),
  permissions: z.record(z.string(), z.array(z.string())),
  includes: z.array(z.string()),
  effective: z.record(z.string(), z.array(z.string())).openapi({
    description: "With what it includes: what is checked",
  }),
  units_only: z.boolean(),
  members: z.number().int().openapi({ description: "Members who have it" }),
}).openapi("Role");
export type Role = z.output<typeof role>;

export const roles = z.object({ items: z.array(role) }).openapi("Roles");

export const permissionList = z.object({
  items: z.array(z.object({ resource: z.string(), actions: z.array(z.string()) })),
}).openapi("PermissionList");

export const byKey = z.strictObject({ key: roleKey });

// Members as callers see them. A password or its hash never leaves.
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../../http/paging.ts";
import { rowFields, searchBy, text } from "../fields.ts";

const role = z.enum(["admin", "manager", "member"]);
const status = z.enum(["pending", "active", "inactive", "suspended", "archived"]);

export const newMember = z.strictObject({
  first_name: text(100),
  last_name: text(100),
  email: z.email().max(254),
  role: role.default("member"),
  metadata: z.record(z.string().max(100), z.unknown()).default({}),
}).openapi("NewMember");
export type NewMember = z.output<typeof newMember>;

export const member = z.object({
  ...rowFields,
  first_name: z.string(),
  last_name: z.string(),
  email: z.string(),
  role,
  status,
  must_change_password: z.boolean(),
  metadata: z.record(z.string(), z.unknown()),
  last_login_at: z.string().nullable(),
}).openapi("Member");
/** A row of tenant.members, without the password's hash. */
export type Member = z.output<typeof member>;

export const memberQuery = pageQuery({
  sort: ["last_name", "created_at"],
  filters: { role: role.optional(), status: status.optional(), search: searchBy("e-mail address") },
});
export type MemberQuery = z.output<typeof memberQuery>;

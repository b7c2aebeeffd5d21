// Members as callers see them. A password or its hash never leaves.
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../../http/paging.ts";
import { changeOf, languageTag, rowFields, searchBy, text } from "../fields.ts";
import { roleKey } from "../roles/model.ts";

const status = z.enum(["pending", "active", "inactive", "suspended", "archived"]);
const METADATA_BYTES = 16 * 1024;
const METADATA_DEPTH = 8;

/** Whether values lie no deeper in each other than this: what is deeper some programs cannot read at all. */
function isFlat(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => isFlat(inner, levels - 1));
}

const fits = (value: unknown) => new TextEncoder().encode(JSON.stringify(value)).length <= METADATA_BYTES;

const metadata = z.record(z.string().max(100), z.unknown())
  .refine((value) => isFlat(value, METADATA_DEPTH), {
    message: `Nest values at most ${METADATA_DEPTH} deep`,
    abort: true,
  })
  .refine(fits, `Keep it within ${METADATA_BYTES / 1024} KB of JSON`)
  .openapi({
    description: `Of your own; at most ${METADATA_BYTES / 1024} KB of JSON, nested at most ${METADATA_DEPTH} deep`,
  });

const locale = languageTag.nullable().openapi({ description: "Language of mails to the member; null: the tenant's" });

/** Units of a member; each one once. */
export const unitIds = z.array(z.uuid()).max(200).transform((ids) => [...new Set(ids)])
  .openapi({ description: "Units that the member belongs to" });

export const newMember = z.strictObject({
  first_name: text(100),
  last_name: text(100),
  email: z.email().max(254),
  role: roleKey.optional().openapi({ description: "By default the tenant's default role" }),
  unit_ids: unitIds.default([]),
  locale: locale.default(null),
  metadata: metadata.default({}),
}).openapi("NewMember");
export type NewMember = z.output<typeof newMember>;

export const memberChange = changeOf({
  first_name: text(100),
  last_name: text(100),
  role: roleKey,
  status: z.enum(["active", "inactive", "suspended", "archived"])
    .openapi({ description: "Only active members may sign in; who never did becomes pending again" }),
  locale,
  metadata,
}).openapi("MemberChange");
export type MemberChange = z.output<typeof memberChange>;

export const memberUnits = z.strictObject({ unit_ids: unitIds }).openapi("MemberUnits");

export const member = z.object({
  ...rowFields,
  first_name: z.string(),
  last_name: z.string(),
  email: z.string(),
  role: z.string(),
  status,
  locale: z.string().nullable(),
  unit_ids: z.array(z.string()),
  metadata: z.record(z.string(), z.unknown()),
  last_login_at: z.string().nullable(),
}).openapi("Member");
/** A row of tenant.members. */
export type Member = z.output<typeof member>;

export const memberQuery = pageQuery({
  sort: ["last_name", "created_at"],
  filters: {
    role: roleKey.optional(),
    status: status.optional(),
    search: searchBy("e-mail address, first or last name"),
  },
});
export type MemberQuery = z.output<typeof memberQuery>;

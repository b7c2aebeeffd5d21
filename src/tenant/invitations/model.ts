// Invitations as callers see them. The token is in the mail and nowhere else; the platform keeps its hash.
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../../http/paging.ts";
import { password, token } from "../auth/model.ts";
import { languageTag, rowFields, searchBy, text } from "../fields.ts";
import { unitIds } from "../members/model.ts";
import { roleKey } from "../roles/model.ts";

const status = z.enum(["pending", "accepted", "revoked", "expired"]);

const locale = languageTag.openapi({ description: "Language of the mail; by default the tenant's" });

export const newInvitation = z.strictObject({
  email: z.email().max(254),
  role: roleKey.optional().openapi({ description: "By default the tenant's default role" }),
  unit_ids: unitIds.default([]),
  locale: locale.optional(),
  message: text(1000).optional().openapi({ description: "A few words of yours, put into the mail" }),
}).openapi("NewInvitation");
export type NewInvitation = z.output<typeof newInvitation>;

export const invitation = z.object({
  ...rowFields,
  email: z.string(),
  role: z.string(),
  unit_ids: z.array(z.string()),
  locale: z.string(),
  message: z.string().nullable(),
  status,
  invited_by: z.uuid().nullable().openapi({ description: "The member; null for a program" }),
  sends: z.number().int().openapi({ description: "How often its mail was asked for" }),
  sent_at: z.string().nullable().openapi({ description: "When the mail server last took its mail; null: not yet" }),
  expires_at: z.string(),
  accepted_at: z.string().nullable(),
  member_id: z.uuid().nullable(),
}).openapi("Invitation");
/** A row of tenant.invitations. */
export type Invitation = z.output<typeof invitation>;

export const invitationQuery = pageQuery({
  sort: ["created_at"],
  defaultSort: "-created_at",
  filters: { status: status.optional(), search: searchBy("e-mail address") },
});
export type InvitationQuery = z.output<typeof invitationQuery>;

export const shownRequest = z.strictObject({ token }).openapi("ShowInvitation");

export const shownInvitation = z.object({
  tenant: z.object({ slug: z.string(), name: z.string() }),
  email: z.string(),
  role: z.string().openapi({ description: "Name of the role" }),
  locale: z.string(),
  expires_at: z.string(),
  has_account: z.boolean().openapi({
    description: "Whether the address has an account already: then give its password and do not choose one",
  }),
}).openapi("ShownInvitation");

export const acceptance = z.strictObject({
  token,
  first_name: text(100),
  last_name: text(100),
  password: password.openapi({ description: "A new one, or that of the account which the address has already" }),
}).openapi("AcceptInvitation");
export type Acceptance = z.output<typeof acceptance>;

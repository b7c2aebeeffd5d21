// How people get into a tenant, as callers see it.
import { z } from "@hono/zod-openapi";
import { changeOf } from "../fields.ts";
import { roleKey } from "../roles/model.ts";

export const accessSettings = z.object({
  default_role: z.string().openapi({ description: "Role of new members when none is named" }),
  mfa_required: z.boolean().openapi({ description: "Whether members must sign in with a second factor" }),
}).openapi("AccessSettings");
export type AccessSettings = z.output<typeof accessSettings>;

export const accessSettingsChange = changeOf({ default_role: roleKey, mfa_required: z.boolean() })
  .openapi("AccessSettingsChange");
export type AccessSettingsChange = z.output<typeof accessSettingsChange>;

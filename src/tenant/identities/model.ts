// Identities of external issuers that are linked to a member, as the member and who looks after members see them.
import { z } from "@hono/zod-openapi";

export const identity = z.object({
  id: z.uuid(),
  provider_id: z.uuid(),
  provider_name: z.string(),
  subject: z.string().openapi({ description: "The person at the provider (`sub`)" }),
  created_at: z.string(),
  last_login_at: z.string().nullable().openapi({
    description: "Last sign-in by redirect; bearer tokens are not noted",
  }),
}).openapi("Identity");

export const identities = z.object({ items: z.array(identity) }).openapi("Identities");

/** The path of one identity of a member. */
export const ofMemberById = z.strictObject({ id: z.uuid(), identity_id: z.uuid() });

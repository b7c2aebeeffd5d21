// Visits of operators inside tenants, as operators see them.
import { z } from "@hono/zod-openapi";

/** Minutes that a visit may last. */
const MAX_MINUTES = 60;

export const visitRequest = z.strictObject({
  reason: z.string().trim().min(10, "Say why in at least 10 characters").max(500),
  minutes: z.int().min(1).max(MAX_MINUTES).default(15).openapi({ description: "How long the visit may last" }),
  read_only: z.boolean().default(true).openapi({ description: "False only for superadmins" }),
}).openapi("ImpersonationRequest");

export const visitAnswer = z.object({
  id: z.uuid(),
  tenant_id: z.uuid(),
  operator_id: z.uuid(),
  reason: z.string(),
  read_only: z.boolean(),
  used_at: z.string().nullable(),
  expires_at: z.string(),
  ended_at: z.string().nullable(),
  created_at: z.string(),
}).openapi("Impersonation");
export type Visit = z.output<typeof visitAnswer>;

export const askedVisit = visitAnswer.extend({
  token: z.string().openapi({ description: "Good once, for a minute, at `POST /t/{slug}/v1/auth/impersonate`" }),
  tenant: z.string().openapi({ description: "Slug of the tenant" }),
}).openapi("AskedImpersonation");

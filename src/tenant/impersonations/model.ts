// Visits of operators, as the tenant sees them.
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../../http/paging.ts";

export const visit = z.object({
  id: z.uuid(),
  operator_id: z.uuid(),
  operator_email: z.string(),
  reason: z.string(),
  read_only: z.boolean(),
  started_at: z.string(),
  expires_at: z.string(),
  ended_at: z.string().nullable(),
}).openapi("Visit");
/** A row of tenant.impersonations. */
export type Visit = z.output<typeof visit>;

export const visitQuery = pageQuery({ sort: ["started_at"], filters: {} });
export type VisitQuery = z.output<typeof visitQuery>;

export const begin = z.strictObject({ token: z.string().min(20).max(200) }).openapi("BeginVisit");

export const begun = z.object({
  access_token: z.string(),
  token_type: z.literal("Bearer"),
  expires_in: z.number().int().openapi({ description: "Seconds until the visit ends" }),
  visit,
  banner: z.string().openapi({ description: "What a user interface shows all the time" }),
}).openapi("BegunVisit");

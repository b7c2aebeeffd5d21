// Sessions, as their owner and as who looks after members see them. Tokens and their hashes never leave.
import { z } from "@hono/zod-openapi";

export const session = z.object({
  id: z.uuid(),
  kind: z.enum(["password", "passkey", "switch", "external"]).openapi({ description: "How it began" }),
  mfa: z.boolean().openapi({ description: "Whether a second factor was shown" }),
  address: z.string().nullable(),
  agent: z.string().nullable().openapi({ description: "User-Agent that signed in" }),
  created_at: z.string(),
  refreshed_at: z.string(),
  expires_at: z.string().openapi({ description: "When it ends if it is not refreshed" }),
  current: z.boolean().openapi({ description: "Whether it is the one that asks" }),
}).openapi("Session");
/** A live session. */
export type Session = z.output<typeof session>;

export const sessions = z.object({ items: z.array(session) }).openapi("Sessions");

export const revocation = z.strictObject({
  session_id: z.uuid().optional().openapi({ description: "One session; left out: all" }),
}).openapi("RevokeSessions");

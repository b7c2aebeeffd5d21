// Signing in and out, as callers see it.
import { z } from "@hono/zod-openapi";

const email = z.string().trim().min(3).max(254);
const password = z.string().min(1).max(256);
const token = z.string().min(20).max(200);

export const credentials = z.strictObject({ email, password }).openapi("Credentials");

export const signedIn = z.object({
  access_token: z.string().openapi({ description: "Send it as `Authorization: Bearer …`" }),
  token_type: z.literal("Bearer"),
  expires_in: z.number().int().openapi({ description: "Seconds until the access token expires" }),
  refresh_token: z.string().openapi({ description: "Good for one refresh; the answer carries the next one" }),
  must_change_password: z.boolean(),
}).openapi("SignedIn");

export const refreshRequest = z.strictObject({ refresh_token: token }).openapi("RefreshRequest");

export const setupRequest = z.strictObject({ token, password }).openapi("SetupPassword");

export const passwordChange = z.strictObject({ current_password: password, new_password: password })
  .openapi("PasswordChange");

export const me = z.object({
  member: z.object({
    id: z.uuid(),
    first_name: z.string(),
    last_name: z.string(),
    email: z.string(),
    role: z.enum(["admin", "manager", "member"]),
    must_change_password: z.boolean(),
  }),
  tenant: z.object({
    id: z.uuid(),
    slug: z.string(),
    name: z.string(),
    tier: z.enum(["shared", "dedicated", "byo"]),
    time_zone: z.string(),
    locale: z.string(),
    currency: z.string(),
  }),
}).openapi("Me");

/** A member as signing in reads it. */
export interface SigningMember {
  id: string;
  email: string;
  role: string;
  status: string;
  password_hash: string | null;
  must_change_password: boolean;
}

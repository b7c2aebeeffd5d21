// Signing in and out, as callers see it. The answer of every way in is one of four, told apart by `state`.
import { z } from "@hono/zod-openapi";
import { code, recoveryCode, secondFactorWanted } from "../../http/second_factors.ts";
import { authenticationResponse } from "../../identity/passkey_messages.ts";

const email = z.string().trim().min(3).max(254);
export const password = z.string().min(1).max(256);
export const token = z.string().min(20).max(400);

/** Where the tokens go: into the body, or into cookies that scripts cannot read. */
export const session = z.enum(["body", "cookie"]).default("body").openapi({
  description:
    '"cookie" is for pages in browsers: the tokens come as cookies that no script can read. Whoever is signed in ' +
    "by cookie gets cookies, whatever is asked for",
});

export const credentials = z.strictObject({ email, password, session }).openapi("Credentials");

const expires_in = z.number().int().openapi({ description: "Seconds until the access token expires" });
const access_token = z.string().openapi({ description: "Send it as `Authorization: Bearer …`" });

const full = z.object({
  state: z.literal("signed_in"),
  access_token,
  token_type: z.literal("Bearer"),
  expires_in,
  refresh_token: z.string().openapi({ description: "Good for one refresh; the answer carries the next one" }),
  must_change_password: z.literal(false),
}).openapi("SignedInFully");

const limited = z.object({
  state: z.literal("limited"),
  duty: z.enum(["change_password", "enrol_factor"]).openapi({
    description: "What must be done before anything else; the token is good for nothing but that",
  }),
  access_token: z.string().nullable().openapi({ description: "Null where it came as a cookie" }),
  token_type: z.literal("Bearer"),
  expires_in,
  must_change_password: z.boolean(),
}).openapi("SignedInLimited");

const cookie = z.object({
  state: z.literal("cookie"),
  expires_in,
  must_change_password: z.literal(false),
}).openapi("SignedInByCookie");

export const signedIn = z.discriminatedUnion("state", [full, limited, secondFactorWanted, cookie]).openapi("SignedIn");
/** What every way in answers. */
export type SignedIn = z.input<typeof signedIn>;

export const refreshRequest = z.strictObject({
  refresh_token: token.optional().openapi({ description: "Left out where it comes as a cookie" }),
  session,
}).openapi("RefreshRequest");

export const setupRequest = z.strictObject({ token, password }).openapi("SetupPassword");

export const passwordChange = z.strictObject({ current_password: password, new_password: password, session })
  .openapi("PasswordChange");

export const forgotten = z.strictObject({ email }).openapi("ForgotPassword");

export const accepted = z.object({ accepted: z.literal(true) }).openapi("Accepted");

export const resetRequest = z.strictObject({ token, password }).openapi("ResetPassword");

export const secondFactorRequest = z.strictObject({
  mfa_token: token,
  code: code.optional(),
  recovery_code: recoveryCode.optional(),
  passkey: authenticationResponse.optional(),
  session,
}).refine(
  ({ code, recovery_code, passkey }) => [code, recovery_code, passkey].filter((one) => one !== undefined).length === 1,
  'Give one of "code", "recovery_code" and "passkey"',
).openapi("SecondFactor");

export const passkeySignIn = z.strictObject({ passkey_token: token, passkey: authenticationResponse, session })
  .openapi("PasskeySignIn");

export const me = z.object({
  member: z.object({
    id: z.uuid(),
    first_name: z.string(),
    last_name: z.string(),
    email: z.string(),
    role: z.string(),
    permissions: z.record(z.string(), z.array(z.string())),
    units_only: z.boolean().openapi({ description: "Whether only rows of the member's units are seen" }),
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

export const membership = z.object({
  id: z.uuid(),
  slug: z.string(),
  name: z.string(),
  status: z.string(),
  current: z.boolean().openapi({ description: "Whether it is the tenant of this token" }),
}).openapi("Membership");

export const memberships = z.object({ items: z.array(membership) }).openapi("Memberships");

export const switchRequest = z.strictObject({
  tenant: z.string().min(2).max(63).openapi({ description: "Slug of the tenant to go to" }),
  session,
}).openapi("SwitchTenant");
/** Where to go, and how the tokens are wanted. */
export type SwitchRequest = z.output<typeof switchRequest>;

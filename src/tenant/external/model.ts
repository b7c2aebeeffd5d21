// Signing in at a tenant's own identity provider, as callers see it.
import { z } from "@hono/zod-openapi";
import { session, token } from "../auth/model.ts";

export const signInProviders = z.object({
  items: z.array(z.object({ id: z.uuid(), name: z.string() })),
}).openapi("SignInProviders");

export const oidcStart = z.strictObject({
  provider: z.uuid(),
  redirect: z.url({ protocol: /^https?$/ }).max(1000).optional().openapi({
    description:
      "Page of the tenant's that the browser comes back to, with the provider's answer as its fragment; without " +
      "it the answer is shown as JSON",
  }),
}).openapi("OidcStart");

export const oidcStarted = z.object({
  url: z.string().openapi({ description: "Where to send the browser" }),
  sign_in_token: z.string().openapi({
    description: "Keep it in the page (sessionStorage): only who has it can finish the sign-in",
  }),
  expires_in: z.number().int().openapi({ description: "Seconds until it is too late" }),
}).openapi("OidcStarted");

/** Providers add parameters of their own (session_state, …): they are passed over. */
export const oidcCallback = z.object({
  state: z.string().min(1).max(200),
  code: z.string().max(2000).optional(),
  iss: z.string().max(500).optional(),
  error: z.string().max(200).optional(),
}).openapi("OidcCallback");

export const oidcFinish = z.strictObject({
  sign_in_token: token,
  answer: z.string().min(1).max(4000).openapi({ description: "The fragment that the page was opened with" }),
  session,
}).openapi("OidcFinish");

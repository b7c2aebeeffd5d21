// Second factors as callers of both planes see them. A secret is shown once, when it is made; recovery codes too.
import { z } from "@hono/zod-openapi";

/** A code of an authenticator app. */
export const code = z.string().regex(/^\d{6}$/, "Give the six digits that the app shows");

/** A recovery code, as somebody typed it. */
export const recoveryCode = z.string().min(8).max(64);

export const factorList = z.object({
  items: z.array(
    z.object({
      id: z.uuid(),
      kind: z.enum(["totp", "passkey"]),
      name: z.string(),
      created_at: z.string(),
      last_used_at: z.string().nullable(),
    }).openapi("Factor"),
  ),
  recovery_codes_left: z.number().int(),
}).openapi("Factors");

export const totpStart = z.object({
  id: z.uuid(),
  secret: z.string().openapi({ description: "Base32; to be typed into the app where there is no camera" }),
  uri: z.string().openapi({ description: "`otpauth://…`, to be shown as a QR code" }),
}).openapi("TotpStart");

export const recoveryCodes = z.object({ recovery_codes: z.array(z.string()) }).openapi("RecoveryCodes");

/** The codes of a first factor. */
export const firstRecoveryCodes = z.array(z.string()).nullable().openapi({
  description: "Shown once; null when there are codes already",
});

/** What signing in answers while the second factor is still to be shown. */
export const secondFactorWanted = z.object({
  state: z.literal("second_factor"),
  mfa_required: z.literal(true),
  mfa_token: z.string().openapi({
    description: "Send it with a code to `auth.secondFactor`; operators to `operators.secondFactor`",
  }),
  expires_in: z.number().int().openapi({ description: "Seconds until it is too late" }),
  factors: z.array(z.enum(["totp", "passkey", "recovery_code"])),
  passkey_options: z.record(z.string(), z.unknown()).nullable().openapi({
    description: "For `navigator.credentials.get()`; null when there is no passkey",
  }),
}).openapi("SecondFactorWanted");

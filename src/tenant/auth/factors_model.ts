// Second factors, as callers see them. A secret is shown once, when it is made; recovery codes too.
import { z } from "@hono/zod-openapi";
import { registrationResponse } from "../../identity/passkey_messages.ts";
import { text } from "../fields.ts";
import { password, session, signedIn, token } from "./model.ts";

const code = z.string().regex(/^\d{6}$/, "Give the six digits that the app shows");

/** By what the caller proves once more to be the owner of the account. */
const proof = {
  password: password.optional().openapi({ description: "The account's password" }),
};

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

export const totpRequest = z.strictObject({ name: text(100).default("Authenticator app"), ...proof }).openapi(
  "NewTotp",
);

export const totpStart = z.object({
  id: z.uuid(),
  secret: z.string().openapi({ description: "Base32; to be typed into the app where there is no camera" }),
  uri: z.string().openapi({ description: "`otpauth://…`, to be shown as a QR code" }),
}).openapi("TotpStart");

export const totpConfirm = z.strictObject({ id: z.uuid(), code, session }).openapi("ConfirmTotp");

export const enrolled = z.object({
  recovery_codes: z.array(z.string()).nullable().openapi({
    description: "Shown once; null when the account has codes already",
  }),
  signed_in: signedIn.nullable().openapi({ description: "Tokens, where the factor was all that was missing" }),
}).openapi("FactorEnrolled");

export const passkeyRequest = z.strictObject({ ...proof }).openapi("NewPasskey");

export const passkeyStart = z.object({
  passkey_token: z.string(),
  options: z.record(z.string(), z.unknown()).openapi({
    description: "For `navigator.credentials.create()` or `.get()`",
  }),
}).openapi("PasskeyStart");

export const passkeyConfirm = z.strictObject({
  passkey_token: token,
  name: text(100).default("Passkey"),
  passkey: registrationResponse,
  session,
}).openapi("ConfirmPasskey");

export const factorProof = z.strictObject({ ...proof, code: code.optional() })
  .refine((body) => (body.password === undefined) !== (body.code === undefined), 'Give "password" or "code"')
  .openapi("FactorProof");

export const recoveryCodes = z.object({ recovery_codes: z.array(z.string()) }).openapi("RecoveryCodes");

// Second factors, as members set them up. What operators have too is in ../../http/second_factors.ts.
import { z } from "@hono/zod-openapi";
import { code, firstRecoveryCodes } from "../../http/second_factors.ts";
import { registrationResponse } from "../../identity/passkey_messages.ts";
import { text } from "../fields.ts";
import { password, session, signedIn, token } from "./model.ts";

/** By what the caller proves once more to be the owner of the account. */
const proof = {
  password: password.optional().openapi({ description: "The account's password" }),
};

export const totpRequest = z.strictObject({ name: text(100).default("Authenticator app"), ...proof }).openapi(
  "NewTotp",
);

export const totpConfirm = z.strictObject({ id: z.uuid(), code, session }).openapi("ConfirmTotp");

export const enrolled = z.object({
  recovery_codes: firstRecoveryCodes,
  signed_in: signedIn.nullable().openapi({
    description: "New tokens, where it is the account's first factor: the earlier ones have ended",
  }),
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

// Second factors of operators, as they set them up and show them. What members have too is in ../../http/second_factors.ts.
import { z } from "@hono/zod-openapi";
import { code, firstRecoveryCodes, recoveryCode } from "../../http/second_factors.ts";
import { password, session } from "./model.ts";

/** By what the caller proves once more to be the operator. */
const proof = { password: password.optional() };

export const secondFactorRequest = z.strictObject({
  mfa_token: z.string().min(20).max(400),
  code: code.optional(),
  recovery_code: recoveryCode.optional(),
}).refine((body) => (body.code === undefined) !== (body.recovery_code === undefined), 'Give "code" or "recovery_code"')
  .openapi("OperatorSecondFactor");

export const totpRequest = z.strictObject({
  name: z.string().trim().min(1).max(100).default("Authenticator app"),
  ...proof,
}).openapi("NewOperatorTotp");

export const totpConfirm = z.strictObject({ id: z.uuid(), code }).openapi("ConfirmOperatorTotp");

export const enrolled = z.object({
  recovery_codes: firstRecoveryCodes,
  signed_in: session.openapi({ description: "A new token: all earlier ones have ended" }),
}).openapi("OperatorFactorEnrolled");

export const factorProof = z.strictObject({ ...proof, code: code.optional() })
  .refine((body) => (body.password === undefined) !== (body.code === undefined), 'Give "password" or "code"')
  .openapi("OperatorFactorProof");

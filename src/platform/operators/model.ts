// People who run the platform, and what they log in with.
import { z } from "@hono/zod-openapi";

/** Roles of operators: superadmins decide, the others read. */
export const OPERATOR_ROLES = ["superadmin", "support", "billing", "auditor"] as const;
export type OperatorRole = typeof OPERATOR_ROLES[number];

export const operatorAnswer = z.object({
  id: z.uuid(),
  email: z.string(),
  first_name: z.string(),
  last_name: z.string(),
  role: z.enum(OPERATOR_ROLES),
  status: z.enum(["active", "disabled"]),
  last_login_at: z.iso.datetime().nullable(),
  created_at: z.iso.datetime(),
});
export type Operator = z.infer<typeof operatorAnswer>;

// deno-lint-ignore no-control-regex -- PostgreSQL's text cannot hold NUL
const NO_NUL = /^[^\u0000]*$/;

/** The body of `operators.login`. What cannot be an address or a password is a wrong one, not a malformed request. */
export const login = z.strictObject({
  email: z.string().min(1).max(254).regex(NO_NUL, "Leave out NUL characters"),
  password: z.string().min(1).max(1000).regex(NO_NUL, "Leave out NUL characters"),
});

export const session = z.object({
  access_token: z.string(),
  token_type: z.literal("Bearer"),
  expires_in: z.int().openapi({ description: "Seconds" }),
  operator: operatorAnswer,
});

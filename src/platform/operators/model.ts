// People who run the platform, what they log in with, and their keys. Passwords and keys are never in an answer but once.
import { z } from "@hono/zod-openapi";
import { BE_SEEN, canBeSeen } from "../../http/typed_text.ts";
import { pageQuery } from "../../http/paging.ts";
import { secondFactorWanted } from "../../http/second_factors.ts";

/** Roles of operators: superadmins decide, the others read; see roles.ts. */
export const OPERATOR_ROLES = ["superadmin", "support", "billing", "auditor"] as const;
export type OperatorRole = typeof OPERATOR_ROLES[number];

const role = z.enum(OPERATOR_ROLES);
const status = z.enum(["active", "disabled"]);
const name = z.string().trim().min(1).max(100).refine(canBeSeen, BE_SEEN);
const instant = z.iso.datetime();

export const operatorAnswer = z.object({
  id: z.uuid(),
  email: z.string(),
  first_name: z.string(),
  last_name: z.string(),
  role,
  status,
  second_factor: z.boolean().openapi({ description: "Whether a second factor is asked for at signing in" }),
  last_login_at: instant.nullable(),
  created_at: instant,
});
export type Operator = z.infer<typeof operatorAnswer>;

export const operatorQuery = pageQuery({
  sort: ["created_at"],
  filters: { role: role.optional(), status: status.optional() },
});
export type OperatorQuery = z.output<typeof operatorQuery>;

export const newOperator = z.strictObject({
  email: z.email().max(254),
  first_name: name,
  last_name: name,
  role,
}).openapi("NewOperator");
export type NewOperator = z.output<typeof newOperator>;

export const operatorChange = z.strictObject({ first_name: name, last_name: name, role, status }).partial()
  .refine((body) => Object.keys(body).length > 0, "Name at least one field").openapi("OperatorChange");
export type OperatorChange = z.output<typeof operatorChange>;

// deno-lint-ignore no-control-regex -- PostgreSQL's text cannot hold NUL
const NO_NUL = /^[^\u0000]*$/;
export const password = z.string().min(1).max(1000).regex(NO_NUL, "Leave out NUL characters");

/** The body of `operators.login`. What cannot be an address or a password is a wrong one, not a malformed request. */
export const login = z.strictObject({
  email: z.string().min(1).max(254).regex(NO_NUL, "Leave out NUL characters"),
  password,
});

export const passwordSetting = z.strictObject({ token: z.string().min(20).max(200), password }).openapi(
  "SetOperatorPassword",
);

export const passwordChange = z.strictObject({ current_password: password, new_password: password }).openapi(
  "OperatorPasswordChange",
);

const tokens = {
  access_token: z.string(),
  token_type: z.literal("Bearer"),
  expires_in: z.int().openapi({ description: "Seconds" }),
  operator: operatorAnswer,
};
const full = z.object({ state: z.literal("signed_in"), ...tokens }).openapi("OperatorSignedInFully");
const limited = z.object({
  state: z.literal("limited"),
  duty: z.literal("enrol_factor").openapi({
    description: "What must be done before anything else; the token is good for nothing but that",
  }),
  ...tokens,
}).openapi("OperatorSignedInLimited");

/** What comes with a token. */
export const session = z.discriminatedUnion("state", [full, limited]).openapi("OperatorSession");

/** What showing the password answers. */
export const signedIn = z.discriminatedUnion("state", [full, limited, secondFactorWanted]).openapi("OperatorSignedIn");

export const operatorKey = z.object({
  id: z.uuid(),
  operator_id: z.uuid(),
  name: z.string(),
  hint: z.string().openapi({ description: "Its last characters" }),
  role,
  expires_at: instant.nullable(),
  last_used_at: instant.nullable(),
  revoked_at: instant.nullable(),
  replaces: z.uuid().nullable(),
  created_at: instant,
}).openapi("OperatorKey");
/** A row of platform.operator_keys, without the hash. */
export type OperatorKey = z.output<typeof operatorKey>;

export const shownOperatorKey = operatorKey.extend({
  key: z.string().openapi({ description: "The key: it is shown this once" }),
}).openapi("ShownOperatorKey");

const keyEnds = z.iso.datetime({ offset: true }).nullable()
  .refine((until) => until === null || Date.parse(until) > Date.now(), "Name a time to come");

export const newOperatorKey = z.strictObject({
  name,
  role: role.optional().openapi({ description: "What it acts as: your own role; superadmins may name any" }),
  expires_at: keyEnds.default(null),
}).openapi("NewOperatorKey");

export const operatorKeyRotation = z.strictObject({
  overlap_hours: z.int().min(0).max(720).default(24).openapi({
    description: "How long the old key works beside the new one",
  }),
  expires_at: keyEnds.optional().openapi({ description: "When the new key ends; left out: when this one would have" }),
}).openapi("RotateOperatorKey");
export type OperatorKeyRotation = z.output<typeof operatorKeyRotation>;

export const operatorKeyQuery = pageQuery({
  sort: ["created_at"],
  filters: { operator_id: z.uuid().optional().openapi({ description: "Superadmins and auditors see everyone's" }) },
});

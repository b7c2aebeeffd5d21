// What an organisation sends to become a tenant, the states of that application, and what is answered of it.
// The password of a customer's server comes in here and is never part of an answer.
import { z } from "@hono/zod-openapi";
import { BE_SEEN, canBeSeen } from "../../http/typed_text.ts";
import { STEP_NAMES } from "../provisioning/model.ts";
import { slugSchema } from "../tenants/slug.ts";
import { tierSchema } from "../tenants/model.ts";

/** Every state of an application. */
export const APPLICATION_STATUSES = [
  "submitted",
  "approved",
  "provisioning",
  "provisioned",
  "failed",
  "rejected",
] as const;
export type ApplicationStatus = typeof APPLICATION_STATUSES[number];

/** The moves between states: who asks for what is allowed from where. There are no others. */
export const APPLICATION_MOVES = {
  approve: { from: ["submitted"], to: "approved" },
  reject: { from: ["submitted"], to: "rejected" },
  retry: { from: ["failed"], to: "approved" },
  start: { from: ["approved", "provisioning"], to: "provisioning" },
  complete: { from: ["provisioning"], to: "provisioned" },
  fail: { from: ["approved", "provisioning"], to: "failed" },
} as const satisfies Record<string, { from: readonly ApplicationStatus[]; to: ApplicationStatus }>;
export type ApplicationMove = keyof typeof APPLICATION_MOVES;

// deno-lint-ignore no-control-regex -- control characters and line breaks are what must not get through
const ONE_LINE = /^[^\u0000-\u001f\u007f\u0085\u2028\u2029]*$/;
// deno-lint-ignore no-control-regex -- PostgreSQL's text cannot hold NUL
const NO_NUL = /^[^\u0000]*$/;
// Plain addresses only (RFC 5321 without quoted local parts): what the mail adapters accept.
const ADDRESS =
  /^(?=[^@]{1,64}@)[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@(?:[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?\.)+[a-z][a-z\d-]{0,61}[a-z\d]$/i;

const line = (max: number) =>
  z.string().trim().min(1).max(max).regex(ONE_LINE, "Use one line").refine(canBeSeen, BE_SEEN);
const prose = (max: number) => z.string().trim().max(max).regex(NO_NUL, "Leave out NUL characters");

function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== "" && !/^[+-]/.test(name);
  } catch {
    return false;
  }
}

function isLocale(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length === 1;
  } catch {
    return false;
  }
}

/** Where a customer's own database is. One host, as a name or address; parts, never a URL. */
export const byoSchema = z.strictObject({
  host: z.string().min(1).max(253).regex(/^[A-Za-z0-9._:\[\]-]+$/, "Use one host name or address"),
  port: z.int().min(1).max(65535).default(5432),
  database: line(63),
  user: line(63),
  password: z.string().min(1).max(1000).regex(NO_NUL, "Leave out NUL characters"),
  tls_mode: z.enum(["disable", "require"]).openapi({ description: "require verifies the server's certificate" }),
  tls_ca: z.string().max(20_000).regex(/^-----BEGIN CERTIFICATE-----/, "Use PEM").optional(),
});
export type ByoFields = z.infer<typeof byoSchema>;

/** What the sealed password of an application's server is bound to. */
export function byoScope(applicationId: string): { purpose: string; id: string } {
  return { purpose: "application.byo", id: applicationId };
}

/** The body of `applications.submit`. */
export const submission = z.strictObject({
  organization_name: line(200),
  slug: slugSchema,
  contact_first_name: line(100),
  contact_last_name: line(100),
  contact_email: z.email({ pattern: ADDRESS }).max(254),
  tier: tierSchema.default("shared"),
  time_zone: z.string().max(64).refine(isTimeZone, "Use an IANA time zone such as America/Toronto").default("UTC"),
  locale: z.string().max(35).refine(isLocale, "Use a BCP 47 tag such as en-CA").default("en"),
  currency: z.string().regex(/^[A-Z]{3}$/, "Use an ISO 4217 code such as CAD").default("USD"),
  byo: byoSchema.optional(),
  notes: prose(2000).optional(),
}).superRefine((body, context) => {
  if (body.tier === "byo" && !body.byo) {
    context.addIssue({ code: "custom", path: ["byo"], message: 'Give the server that tier "byo" needs' });
  }
  if (body.tier !== "byo" && body.byo) {
    context.addIssue({ code: "custom", path: ["byo"], message: `Leave it out: tier "${body.tier}" needs no server` });
  }
});
export type Submission = z.infer<typeof submission>;

/** The bodies of `applications.approve` and `applications.reject`. */
export const approval = z.strictObject({ tier: tierSchema, notes: prose(2000).optional() });
export const rejection = z.strictObject({ notes: prose(2000).min(1) });

export const stepAnswer = z.object({
  step: z.enum(STEP_NAMES),
  position: z.int(),
  state: z.enum(["pending", "running", "done", "failed"]),
  attempts: z.int(),
  started_at: z.iso.datetime().nullable(),
  finished_at: z.iso.datetime().nullable(),
  duration_ms: z.number().nullable(),
  error: z.string().nullable(),
});

/** An application as listed. */
export const applicationAnswer = z.object({
  id: z.uuid(),
  organization_name: z.string(),
  slug: z.string(),
  contact_first_name: z.string(),
  contact_last_name: z.string(),
  contact_email: z.string(),
  time_zone: z.string(),
  locale: z.string(),
  currency: z.string(),
  requested_tier: tierSchema,
  tier: tierSchema.nullable(),
  byo: z.object({
    host: z.string(),
    port: z.int(),
    database: z.string(),
    user: z.string(),
    tls_mode: z.enum(["disable", "require"]),
    tls_ca: z.boolean().openapi({ description: "Whether an authority of its own was given" }),
  }).nullable(),
  notes: z.string().nullable(),
  status: z.enum(APPLICATION_STATUSES),
  reviewer_id: z.uuid().nullable(),
  review_notes: z.string().nullable(),
  reviewed_at: z.iso.datetime().nullable(),
  tenant_id: z.uuid().nullable(),
  failure: z.string().nullable(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
});
export type Application = z.infer<typeof applicationAnswer>;

/** An application as shown: with its provisioning steps. */
export const applicationDetail = applicationAnswer.extend({ steps: z.array(stepAnswer) });

/** What the applicant, who is not signed in, is told. */
export const receipt = z.object({
  id: z.uuid(),
  slug: z.string(),
  requested_tier: tierSchema,
  status: z.enum(APPLICATION_STATUSES),
  created_at: z.iso.datetime(),
});

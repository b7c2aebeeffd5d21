// What a tenant is to operators: its states and the moves between them, and the shape of the answers.
import { z } from "@hono/zod-openapi";

/** The three tiers: rows in a shared database, a database of one's own on our server, or on the customer's. */
export const TIERS = ["shared", "dedicated", "byo"] as const;
export const tierSchema = z.enum(TIERS);
export type Tier = z.infer<typeof tierSchema>;

/** Every state of a tenant; only `active` ones are served. */
export const TENANT_STATUSES = [
  "provisioning",
  "active",
  "suspended",
  "blocked",
  "inactive",
  "maintenance",
  "deleted",
  "erased",
] as const;
export type TenantStatus = typeof TENANT_STATUSES[number];

/** `to → from`: the only moves between states that exist. */
export const TENANT_TRANSITIONS: Record<TenantStatus, readonly TenantStatus[]> = {
  provisioning: [],
  active: ["provisioning", "suspended", "blocked", "inactive", "maintenance"],
  suspended: ["active"],
  blocked: ["active", "suspended"],
  inactive: ["active", "suspended"],
  maintenance: ["active"],
  deleted: ["active", "suspended", "blocked", "inactive"],
  erased: ["deleted"],
};

/** The states that operators move tenants between, and the event that tells of each. */
export const STATUS_EVENTS = {
  active: "tenant.activated",
  suspended: "tenant.suspended",
  blocked: "tenant.blocked",
  inactive: "tenant.deactivated",
  maintenance: "tenant.maintenance_started",
} as const satisfies Partial<Record<TenantStatus, string>>;
export type OperatorStatus = keyof typeof STATUS_EVENTS;

/** What an operator asks for. */
export const statusChange = z.strictObject({
  status: z.enum(Object.keys(STATUS_EVENTS) as [OperatorStatus, ...OperatorStatus[]]),
  // deno-lint-ignore no-control-regex -- control characters are what must not get through
  reason: z.string().trim().min(1).max(500).regex(/^[^\u0000-\u001f\u007f]*$/, "Use one line"),
});

/** Where a tenant's rows are, as operators see it: no login, no secret. */
export const placementAnswer = z.object({
  id: z.uuid(),
  kind: tierSchema,
  state: z.enum(["preparing", "ready", "failed"]),
  server: z.string(),
  host: z.string(),
  port: z.int(),
  database: z.string(),
});

export const tenantAnswer = z.object({
  id: z.uuid(),
  slug: z.string(),
  name: z.string(),
  status: z.enum(TENANT_STATUSES),
  status_reason: z.string().nullable(),
  status_actor: z.string().nullable(),
  status_changed_at: z.iso.datetime(),
  tier: tierSchema,
  plan: z.string(),
  contact_name: z.string(),
  contact_email: z.string(),
  time_zone: z.string(),
  locale: z.string(),
  currency: z.string(),
  placement: placementAnswer.nullable(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
  deleted_at: z.iso.datetime().nullable(),
});

/** A tenant after a change of its state. */
export const statusAnswer = tenantAnswer.extend({
  gate: z.enum(["open", "closed", "unreachable"]).openapi({
    description: "The gate in the tenant's database; `unreachable`: it could not be closed, repeat the call",
  }),
});

/** A tenant as read from the database and as answered. */
export type Tenant = z.infer<typeof tenantAnswer>;

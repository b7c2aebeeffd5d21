// Domain events of the control plane: what happened to applications and tenants, for operators and for later readers.
import { z } from "@hono/zod-openapi";

/** Every type of event that is written. */
export const EVENT_TYPES = [
  "application.submitted",
  "application.approved",
  "application.rejected",
  "application.retried",
  "application.provisioned",
  "tenant.created",
  "tenant.activated",
  "tenant.suspended",
  "tenant.blocked",
  "tenant.deactivated",
  "tenant.maintenance_started",
  "tenant.gate_unreachable",
  "tenant.provisioning_failed",
  "tenant.setup_mail_sent",
  "tenant.setup_mail_failed",
  "tenant.origins_changed",
  "tenant.signing_key_renewed",
  "placement.key_rotated",
  "placement.keys_retired",
  "operator.signed_in",
  "operator.created",
  "operator.changed",
  "operator.key_made",
  "operator.key_revoked",
  "operator.factor_enrolled",
  "operator.factor_removed",
  "operator.factors_reset",
  "operator.recovery_codes_made",
  "operator.recovery_code_used",
  "impersonation.asked",
  "impersonation.ended",
  "account.changed",
] as const;
export type EventType = typeof EVENT_TYPES[number];

/** One event as answered. */
export const eventAnswer = z.object({
  id: z.uuid(),
  type: z.string(),
  tenant_id: z.uuid().nullable(),
  application_id: z.uuid().nullable(),
  actor: z.string(),
  data: z.record(z.string(), z.unknown()),
  occurred_at: z.iso.datetime(),
});
export type PlatformEvent = z.infer<typeof eventAnswer>;

// The saga that makes a tenant: its steps in order, and what the runs keep of each.

/** The steps, in the order in which they are carried out. */
export const STEP_NAMES = [
  "record",
  "placement",
  "roles",
  "migrations",
  "policies",
  "proof",
  "seed",
  "admin",
  "open",
  "mail",
] as const;
export type StepName = typeof STEP_NAMES[number];

/** One row of platform.provisioning_steps. */
export interface Step {
  step: StepName;
  position: number;
  state: "pending" | "running" | "done" | "failed";
  attempts: number;
  started_at: string | null;
  finished_at: string | null;
  duration_ms: number | null;
  error: string | null;
}

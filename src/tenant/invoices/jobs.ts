// The job that bills a month. Idempotent: it writes what the readings ask for, and nothing when that is there already.
import { tenantJob } from "../../tenancy/jobs.ts";
import { billMonth } from "./billing.ts";
import { type InvoiceRun, invoiceRun } from "./model.ts";

/** What one statement over all meters of a large tenant may take. */
const DEADLINE_MS = 120_000;

export const run = tenantJob<InvoiceRun>({
  kind: "invoices.run",
  params: invoiceRun,
  run: async (job) => ({ ...await job.asTenant((tx) => billMonth(tx, job.params), { deadlineMs: DEADLINE_MS }) }),
});

export const jobs = [run];

// The job that bills a month. Idempotent: it writes what the readings ask for, and nothing when that is there already.
import { tenantJob } from "../../tenancy/jobs.ts";
import { BILLING_MS, billMonth } from "./billing.ts";
import { type InvoiceRun, invoiceRun } from "./model.ts";

export const run = tenantJob<InvoiceRun>({
  kind: "invoices.run",
  params: invoiceRun,
  run: async (job) => ({ ...await job.asTenant((tx) => billMonth(tx, job.params), { deadlineMs: BILLING_MS }) }),
});

export const jobs = [run];

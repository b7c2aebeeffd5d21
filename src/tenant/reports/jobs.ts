// The job that writes a report. Idempotent: the files and the status "ready" are one transaction, and a report that is
// ready is not written again.
import { z } from "@hono/zod-openapi";
import { tenantJob } from "../../tenancy/jobs.ts";
import { lockReport, markReport, removeFiles } from "./queries.ts";
import { writeUsageReport } from "./usage_report.ts";

const params = z.object({ report_id: z.uuid() });

/** What a year of a large tenant may take. */
const DEADLINE_MS = 10 * 60_000;

export const create = tenantJob<z.output<typeof params>>({
  kind: "reports.create",
  params,
  run: async (job) => {
    const { report_id } = job.params;
    await job.asTenant((tx) => markReport(tx, report_id, "running"));
    try {
      const rows = await job.asTenant(async (tx) => {
        const report = await lockReport(tx, report_id);
        if (report.status === "ready") return null;
        await removeFiles(tx, report_id);
        const count = await writeUsageReport(tx, report_id, report.params);
        await markReport(tx, report_id, "ready");
        return count;
      }, { deadlineMs: DEADLINE_MS });
      return { report_id, ...(rows !== null && { rows }) };
    } catch (error) {
      await job.asTenant((tx) => markReport(tx, report_id, "failed")).catch(() => {}); // what is thrown is the first error
      throw error;
    }
  },
});

export const jobs = [create];

// The API of reports: a job writes them, then their files can be downloaded.
import { pageOf, toPage } from "../../http/paging.ts";
import { type Call, route } from "../../http/route.ts";
import { AppError } from "../../errors.ts";
import { byId } from "../fields.ts";
import { getMeter } from "../meters/queries.ts";
import { downloadQuery, type Format, newReport, report, reportQuery, reportStarted, toUsageParams } from "./model.ts";
import { createReport, describeFile, getReport, listReports, readPart } from "./queries.ts";

const tag = "Reports";

export const create = route({
  operation: "reports.create",
  method: "post",
  path: "/v1/reports",
  summary: "Have a report written",
  description: "Starts a job that writes the report as CSV and as JSON.",
  tag,
  can: "reports.create",
  body: newReport,
  idempotent: true,
  status: 202,
  answer: reportStarted,
  handler: (call) =>
    call.asTenant(async (tx) => {
      const { kind, meter_id } = call.body;
      if (meter_id) await getMeter(tx, meter_id);
      const made = await createReport(tx, kind, toUsageParams(call.body), call.memberId);
      const job = await call.enqueue(tx, "reports.create", { report_id: made.id });
      return { ...made, job_id: job.id };
    }),
});

export const list = route({
  operation: "reports.list",
  method: "get",
  path: "/v1/reports",
  summary: "List reports",
  tag,
  can: "reports.view",
  query: reportQuery,
  answer: pageOf(report),
  handler: async (call) => toPage(await call.asTenant((tx) => listReports(tx, call.query)), call.query),
});

export const get = route({
  operation: "reports.get",
  method: "get",
  path: "/v1/reports/{id}",
  summary: "Show a report and whether it is ready",
  tag,
  can: "reports.view",
  params: byId,
  answer: report,
  handler: (call) => call.asTenant((tx) => getReport(tx, call.params.id)),
});

export const download = route({
  operation: "reports.download",
  method: "get",
  path: "/v1/reports/{id}/download",
  summary: "Download a report that is ready",
  tag,
  can: "reports.view",
  params: byId,
  query: downloadQuery,
  answer: "stream",
  answerTypes: ["text/csv", "application/json"],
  handler: async (call) => {
    const { format } = call.query;
    const file = await call.asTenant((tx) => describeFile(tx, call.params.id, format));
    if (file.status !== "ready") {
      throw new AppError("invalid_state", `The report is "${file.status}"; it can be downloaded when it is "ready"`);
    }
    const { from, to } = file.params;
    return new Response(partsOf(call, call.params.id, format, file.parts), {
      headers: {
        "content-type": format === "csv" ? "text/csv; charset=utf-8; header=present" : "application/json",
        "content-disposition": `attachment; filename="${file.kind}-${from}-${to}.${format}"`,
        "cache-control": "private, no-store",
        vary: "authorization, x-tenant, host",
        "x-content-type-options": "nosniff",
      },
    });
  },
});

/** The parts of a file as a stream; each is read when the one before was sent. */
function partsOf(call: Pick<Call, "asTenant">, id: string, format: Format, parts: number): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let part = 0;
  return new ReadableStream({
    async pull(controller) {
      if (part === parts) return controller.close();
      const number = part++;
      controller.enqueue(encoder.encode(await call.asTenant((tx) => readPart(tx, id, format, number))));
    },
  }, { highWaterMark: 0 });
}

export const routes = [create, list, get, download];

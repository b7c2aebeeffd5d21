// Reports as callers see them.
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../../http/paging.ts";
import { date, month } from "../fields.ts";

/** Days that one report may cover. */
const MAX_DAYS = 366;
const DAY = 86_400_000;

const format = z.enum(["csv", "json"]);
export type Format = z.output<typeof format>;

export const newReport = z.strictObject({
  kind: z.enum(["usage"]).openapi({ description: "usage: what each meter measured, a row a day and zone" }),
  month: month.optional(),
  from: date.optional().openapi({ description: "First day; with `to`, instead of `month`" }),
  to: date.optional().openapi({ description: "Last day" }),
  meter_id: z.uuid().optional().openapi({ description: "Only this meter" }),
}).refine((body) => (body.month === undefined) === (body.from !== undefined && body.to !== undefined), {
  message: 'Give "month", or "from" and "to"',
}).refine((body) => body.month === undefined || (body.from === undefined && body.to === undefined), {
  message: 'Give "month", or "from" and "to"',
}).refine(({ from, to }) => !from || !to || (from <= to && Date.parse(to) - Date.parse(from) < MAX_DAYS * DAY), {
  message: `"to" must not be before "from", nor ${MAX_DAYS} days after it`,
}).openapi("NewReport");
export type NewReport = z.output<typeof newReport>;

/** What a usage report is about, as it is kept. */
export const usageParams = z.object({ from: date, to: date, meter_id: z.uuid().optional() }).openapi(
  "UsageReportParams",
);
export type UsageParams = z.output<typeof usageParams>;

/** The period as days: a month becomes its first and last one. */
export function toUsageParams({ month, from, to, meter_id }: NewReport): UsageParams {
  if (!month) return { from: from!, to: to!, meter_id };
  const [year, number] = month.split("-").map(Number);
  return { from: `${month}-01`, to: new Date(Date.UTC(year, number, 0)).toISOString().slice(0, 10), meter_id };
}

export const report = z.object({
  id: z.uuid(),
  kind: z.string(),
  params: usageParams,
  status: z.enum(["queued", "running", "ready", "failed"]),
  files: z.array(z.object({ format, bytes: z.int() })).openapi({ description: "Empty until the report is ready" }),
  created_at: z.string().openapi({ format: "date-time" }),
  finished_at: z.string().nullable().openapi({ format: "date-time" }),
}).openapi("Report");
/** A row of tenant.reports with the sizes of its files. */
export type Report = z.output<typeof report>;

export const reportStarted = report.extend({
  job_id: z.uuid().openapi({ description: "See `/v1/jobs/{id}`" }),
}).openapi("ReportStarted");

export const reportQuery = pageQuery({ sort: ["created_at"], defaultSort: "-created_at", filters: {} });
export type ReportQuery = z.output<typeof reportQuery>;

export const downloadQuery = z.strictObject({ format: format.default("csv") });

/** One row of a usage report. */
export interface UsageRow {
  building: string;
  property: string;
  meter_id: string;
  serial_number: string;
  utility: string;
  unit: string;
  day: string;
  zone: string | null;
  quantity: string;
  readings: number;
}

// Readings and their imports as callers see them.
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../../http/paging.ts";
import { date, decimal, text } from "../fields.ts";
import { mappingParameter } from "./mapping.ts";

export const reading = z.object({
  ends_at: z.string().openapi({ format: "date-time", description: "The instant at which the interval ends" }),
  billing_day: date.openapi({ description: "Local day that it is billed under" }),
  value: decimal,
  zone: z.string().nullable(),
  import_id: z.uuid().nullable().openapi({ description: "The import that wrote it last" }),
}).openapi("Reading");
/** A row of tenant.meter_readings. */
export type Reading = z.output<typeof reading>;

const instant = z.iso.datetime({ offset: true }).openapi({ example: "2011-12-01T05:00:00Z" });

export const readingQuery = pageQuery({
  sort: ["ends_at"],
  filters: {
    from: instant.optional().openapi({ description: "Readings that end at this instant or later" }),
    to: instant.optional().openapi({ description: "Readings that end before this instant" }),
    zone: text(40).optional(),
  },
});
export type ReadingQuery = z.output<typeof readingQuery>;

export const importQuery = z.strictObject({
  mapping: mappingParameter.openapi({
    type: "string",
    description: "The column mapping as JSON text, as the operation describes it",
    example: JSON.stringify({
      timestamp: { column: "DateTime", format: "MM/DD/YYYY HH:mm:ss", midnight: "end_of_day" },
      value: { column: "Consumption kWh" },
      zones: { off_peak: "Off-peak", mid_peak: "Mid-peak", on_peak: "On-peak" },
    }),
  }),
  on_conflict: z.enum(["reject", "replace"]).default("reject").openapi({
    description: "What to do with a line that differs from the stored reading of the same time",
  }),
  file_name: text(255).optional().openapi({ description: "Kept with the import, for people" }),
});
export type ImportQuery = z.output<typeof importQuery>;

const lineFault = z.object({
  line: z.int().openapi({ description: "Number of the line in the file, the first being 1" }),
  reason: z.string(),
  column: z.string().optional(),
});
/** One line that was rejected. */
export type LineFault = z.output<typeof lineFault>;

export const importResult = z.object({
  import_id: z.uuid(),
  lines: z.int().openapi({ description: "Lines of data: accepted + unchanged + rejected" }),
  accepted: z.int().openapi({ description: "Lines that were stored" }),
  unchanged: z.int().openapi({ description: "Lines that were stored already" }),
  rejected: z.int(),
  errors: z.array(lineFault).openapi({ description: "The first 100 lines that were rejected" }),
  errors_truncated: z.boolean(),
}).openapi("ImportResult");
/** What came of an import. */
export type ImportResult = z.output<typeof importResult>;

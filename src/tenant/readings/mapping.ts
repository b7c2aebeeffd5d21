// The column mapping of an import, as callers write it: which column holds what, and the habits of the file.
import { z } from "@hono/zod-openapi";

const column = z.union([z.string().min(1).max(200), z.int().min(1).max(1000)])
  .openapi({ description: "Name of the column in the header line, or its number, the first being 1" });

const zoneName = z.string().regex(/^[a-z][a-z0-9_]{0,39}$/, 'Use lower-case letters, digits and "_"')
  .openapi({ description: "Name of a time-of-use zone, as in the tariff", example: "off_peak" });

const timestamp = z.strictObject({
  column,
  format: z.string().min(1).max(40).openapi({
    description:
      "Made of YYYY MM M DD D HH H hh h (with A for AM/PM) mm ss Z (an offset or the letter Z); the rest is literal",
    example: "MM/DD/YYYY HH:mm:ss",
  }),
  zone: z.string().max(64).optional().openapi({ description: "IANA zone of the written times; default: the meter's" }),
  marks: z.enum(["interval_end", "interval_start"]).default("interval_end"),
  interval: z.union([z.literal("day"), z.int().min(1).max(1440)]).optional()
    .openapi({ description: "Length in minutes, or one local day; needed where the times mark the start" }),
  midnight: z.enum(["start_of_day", "end_of_day"]).default("start_of_day").openapi({
    description:
      "What a written 00:00:00 is: the start of the named day, or its end (its 24th hour). 24:00:00 is always the end",
  }),
});

/** How to read a file of readings. */
export const mapping = z.strictObject({
  timestamp,
  value: z.strictObject({ column, decimal: z.enum([".", ","]).default(".") }),
  zones: z.record(zoneName, column).refine((zones) => Object.keys(zones).length > 0, "Name at least one zone")
    .optional()
    .openapi({ description: "Zone → its column of 0 and 1; exactly one is 1 in each line" }),
  zone: z.union([
    z.strictObject({ column, map: z.record(z.string().max(100), zoneName).optional() }),
    z.strictObject({ always: zoneName }),
  ]).optional()
    .openapi({
      description: "One column that names the zone (`map` turns its texts into names), or one zone for all lines",
    }),
  delimiter: z.enum([",", ";", "\t", "|"]).default(","),
  header: z.boolean().default(true).openapi({ description: "Whether the first line names the columns" }),
  skip_lines: z.int().min(0).max(100).default(0).openapi({ description: "Lines before the header to leave out" }),
}).refine((m) => !(m.zone && m.zones), 'Give either "zone" or "zones"');
export type Mapping = z.output<typeof mapping>;

/** The mapping as a query parameter: JSON text. */
export const mappingParameter = z.string().min(2).max(8000).transform((text, context) => {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    context.addIssue({ code: "custom", message: "The mapping is not valid JSON" });
    return z.NEVER;
  }
}).pipe(mapping);

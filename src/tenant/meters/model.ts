// Meters as callers see them.
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../../http/paging.ts";
import { changeOf, date, rowFields, searchBy, text } from "../fields.ts";
import { isTimeZone } from "../readings/local_time.ts";

/** What a meter or a tariff may be for. */
export const utility = z.enum(["electricity", "water", "heating", "gas"]);

const fields = {
  property_id: z.uuid(),
  serial_number: text(100),
  utility,
  unit: z.enum(["kWh", "m3"]),
  time_zone: z.string().max(64).refine(isTimeZone, 'Use a zone of the IANA database, as in "America/Toronto"')
    .openapi({ description: "IANA zone of the place", example: "America/Toronto" }),
  tariff_id: z.uuid().nullish().openapi({
    description: "A version of the tariff to bill by; the version that holds on the day is used. Absent: not billed",
  }),
  installed_on: date.nullish(),
};

export const newMeter = z.strictObject(fields).openapi("NewMeter");
export type NewMeter = z.output<typeof newMeter>;

export const meterChange = changeOf(fields).openapi("MeterChange");
export type MeterChange = z.output<typeof meterChange>;

export const meter = z.object({
  ...rowFields,
  ...fields,
  time_zone: z.string(),
  tariff_id: z.uuid().nullable(),
  installed_on: date.nullable(),
}).openapi("Meter");
/** A row of tenant.meters. */
export type Meter = z.output<typeof meter>;

export const meterQuery = pageQuery({
  sort: ["serial_number", "created_at"],
  filters: {
    search: searchBy("serial number"),
    property_id: z.uuid().optional(),
    utility: utility.optional(),
  },
});
export type MeterQuery = z.output<typeof meterQuery>;

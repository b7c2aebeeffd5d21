// Properties (what is let: flats, shops) as callers see them.
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../../http/paging.ts";
import { changeOf, decimal, rowFields, searchBy, text } from "../fields.ts";

const fields = {
  building_id: z.uuid(),
  label: text(100),
  area_m2: z.string().regex(/^\d{1,8}(\.\d{1,2})?$/, 'Use square metres with up to two decimals, as in "54.5"')
    .nullish(),
};

export const newProperty = z.strictObject(fields).openapi("NewProperty");
export type NewProperty = z.output<typeof newProperty>;

export const propertyChange = changeOf(fields).openapi("PropertyChange");
export type PropertyChange = z.output<typeof propertyChange>;

export const property = z.object({ ...rowFields, ...fields, area_m2: decimal.nullable() }).openapi("Property");
/** A row of tenant.properties. */
export type Property = z.output<typeof property>;

export const propertyQuery = pageQuery({
  sort: ["label", "created_at"],
  filters: { search: searchBy("label"), building_id: z.uuid().optional() },
});
export type PropertyQuery = z.output<typeof propertyQuery>;

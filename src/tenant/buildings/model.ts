// Buildings as callers see them.
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../../http/paging.ts";
import { changeOf, country, rowFields, searchBy, text } from "../fields.ts";

const fields = {
  name: text(200),
  address: text(300),
  postal_code: text(20).nullish(),
  city: text(100),
  country,
  unit_id: z.uuid().nullish().openapi({ description: "The unit that looks after it; none: only who sees all sees it" }),
};

export const newBuilding = z.strictObject(fields).openapi("NewBuilding");
export type NewBuilding = z.output<typeof newBuilding>;

export const buildingChange = changeOf(fields).openapi("BuildingChange");
export type BuildingChange = z.output<typeof buildingChange>;

export const building = z.object({
  ...rowFields,
  ...fields,
  postal_code: z.string().nullable(),
  unit_id: z.uuid().nullable(),
})
  .openapi("Building");
/** A row of tenant.buildings. */
export type Building = z.output<typeof building>;

export const buildingQuery = pageQuery({
  sort: ["name", "created_at"],
  filters: { search: searchBy("name"), country: country.optional(), unit_id: z.uuid().optional() },
});
export type BuildingQuery = z.output<typeof buildingQuery>;

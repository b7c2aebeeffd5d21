// Organisation units as callers see them: a tree.
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../../http/paging.ts";
import { changeOf, rowFields, searchBy, text } from "../fields.ts";

const fields = {
  name: text(200),
  parent_id: z.uuid().nullish().openapi({ description: "The unit above; none at the top" }),
};

export const newUnit = z.strictObject(fields).openapi("NewUnit");
export type NewUnit = z.output<typeof newUnit>;

export const unitChange = changeOf(fields).openapi("UnitChange");
export type UnitChange = z.output<typeof unitChange>;

export const unit = z.object({ ...rowFields, name: z.string(), parent_id: z.uuid().nullable() }).openapi("Unit");
/** A row of tenant.units. */
export type Unit = z.output<typeof unit>;

export const unitQuery = pageQuery({
  sort: ["name", "created_at"],
  filters: {
    search: searchBy("name"),
    parent_id: z.union([z.uuid(), z.literal("none")]).optional()
      .openapi({ description: "Units right below this one; `none` for those at the top", example: "none" }),
  },
});
export type UnitQuery = z.output<typeof unitQuery>;

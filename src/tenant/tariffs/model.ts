// Tariffs as tenants see them: published by the platform, the same for all.
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../../http/paging.ts";
import { date, decimal } from "../fields.ts";
import { utility } from "../meters/model.ts";

export const tariff = z.object({
  id: z.uuid(),
  name: z.string(),
  provider: z.object({ id: z.uuid(), name: z.string(), country: z.string() }),
  utility: z.string(),
  currency: z.string(),
  unit: z.string(),
  valid_from: date,
  valid_to: date.nullable().openapi({ description: "First day on which it no longer holds" }),
  zones: z.array(z.object({ zone: z.string(), price: decimal })),
}).openapi("Tariff");
/** A row of reference.tariffs with its provider and its prices. */
export type Tariff = z.output<typeof tariff>;

export const tariffQuery = pageQuery({
  sort: ["name", "valid_from"],
  filters: {
    utility: utility.optional(),
    valid_on: date.optional().openapi({ description: "Tariffs that hold on this day" }),
  },
});
export type TariffQuery = z.output<typeof tariffQuery>;

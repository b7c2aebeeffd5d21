// Renters (the people who rent a property) as callers see them.
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../../http/paging.ts";
import { changeOf, date, rowFields, searchBy, text } from "../fields.ts";

const fields = {
  property_id: z.uuid().nullish().openapi({ description: "What they rent" }),
  first_name: text(100),
  last_name: text(100),
  email: z.email().max(254).nullish(),
  phone: text(40).regex(/^[+\d][\d ()./-]*$/, "Use digits, spaces and + ( ) . / -").nullish(),
  lease_starts_on: date.nullish().openapi({ description: "First day of the lease" }),
  lease_ends_on: date.nullish().openapi({ description: "Last day of the lease; absent while it is open" }),
};

export const newRenter = z.strictObject(fields).openapi("NewRenter");
export type NewRenter = z.output<typeof newRenter>;

export const renterChange = changeOf(fields).openapi("RenterChange");
export type RenterChange = z.output<typeof renterChange>;

// What a row holds was checked on its way in, by these schemas and by the table; on its way out only its type is.
const name = z.string().openapi({ minLength: 1, maxLength: 100 });
const day = z.string().nullable().openapi({ format: "date", example: "2011-12-31" });

export const renter = z.object({
  ...rowFields,
  property_id: rowFields.id.nullable(),
  first_name: name,
  last_name: name,
  email: z.string().nullable(),
  phone: z.string().nullable(),
  lease_starts_on: day,
  lease_ends_on: day,
}).openapi("Renter");
/** A row of tenant.renters. */
export type Renter = z.output<typeof renter>;

export const renterQuery = pageQuery({
  sort: ["last_name", "created_at"],
  filters: {
    search: searchBy("last name"),
    email: z.email().max(254).optional().openapi({
      description: "The renter with this address, without regard to case",
    }),
    property_id: z.uuid().optional(),
  },
});
export type RenterQuery = z.output<typeof renterQuery>;

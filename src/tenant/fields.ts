// Schemas of fields that several modules of the sample domain share, and the three shapes that every row has.
import { z } from "@hono/zod-openapi";
import { BE_SEEN, canBeSeen } from "../http/typed_text.ts";

/** The path of one row. */
export const byId = z.strictObject({ id: z.uuid() });

/** What every row carries beside its own columns, as it is answered: the database's own, so only the type is checked. */
export const rowFields = {
  id: z.string().openapi({ format: "uuid" }),
  created_at: z.string().openapi({ format: "date-time" }),
  updated_at: z.string().openapi({ format: "date-time" }),
};

/** Text that people type: trimmed, not empty, with something to be seen. */
export function text(max: number) {
  return z.string().trim().min(1).max(max).refine(canBeSeen, BE_SEEN);
}

/** An ISO 3166-1 alpha-2 code. */
export const country = z.string().regex(/^[A-Z]{2}$/, "Use the two capital letters of ISO 3166-1")
  .openapi({ example: "CA" });

/** A civil date, `2011-12-31`. */
export const date = z.iso.date().openapi({ example: "2011-12-31" });

/** A month, `2011-12`. */
export const month = z.string().regex(/^(19|20|21)\d\d-(0[1-9]|1[0-2])$/, 'Use year and month, as in "2011-12"')
  .openapi({ example: "2011-12" });

/** An exact number; a string, since JSON's numbers are not exact. */
export const decimal = z.string().openapi({ description: "An exact decimal number, as a string", example: "241.35" });

/** A BCP 47 tag, written as RFC 5646 wants it. */
export const languageTag = z.string().min(2).max(35).transform((tag, context) => {
  try {
    return Intl.getCanonicalLocales(tag)[0];
  } catch {
    context.addIssue({ code: "custom", message: 'Use a language tag, as in "de" or "fr-CA"' });
    return z.NEVER;
  }
}).openapi({ type: "string", example: "fr-CA" });

/** The `search` filter of a list: what the named column begins with. */
export function searchBy(column: string) {
  return text(100).optional().openapi({ description: `Rows whose ${column} begins with this, without regard to case` });
}

/** Makes every field of a create optional, and refuses a change that changes nothing. */
export function changeOf<S extends z.ZodRawShape>(shape: S) {
  return z.strictObject(shape).partial().refine((body) => Object.keys(body).length > 0, "Name at least one field");
}

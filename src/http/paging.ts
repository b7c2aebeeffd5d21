// Keyset paging, sorting and their query parameters: the same for every list. A cursor holds the last row's sort value
// and id, so a page costs the same however deep it is and rows that come in meanwhile shift nothing.
import { z } from "@hono/zod-openapi";
import { Buffer } from "node:buffer";
import { type Fragment, sql } from "../db/sql.ts";
import { AppError } from "../errors.ts";

/** The largest page. */
export const MAX_LIMIT = 200;

/** A whole number in a query or path, in plain decimal digits: `Number()` alone would also read "0x10", "1e2" and " 5". */
export function wholeNumber(min: number, max: number) {
  return z.string().regex(/^(0|[1-9]\d{0,15})$/, `Give a whole number from ${min} to ${max}, in digits`)
    .transform(Number).pipe(z.number().int().min(min).max(max))
    .openapi({ type: "integer", minimum: min, maximum: max });
}

/** What a list was asked for. */
export interface PageRequest {
  limit: number;
  cursor?: string;
  sort: string;
}

/**
 * The query schema of a list: limit, cursor, sort, and the list's own filters.
 * @param sort Columns that can be sorted by; the first one is the default, a leading "-" turns the order round.
 */
export function pageQuery<F extends z.ZodRawShape>(
  options: { sort: [string, ...string[]]; filters?: F; defaultSort?: string },
) {
  const orders = options.sort.flatMap((name) => [name, `-${name}`]);
  return z.strictObject({
    limit: wholeNumber(1, MAX_LIMIT).prefault("50")
      .openapi({ type: "integer", default: 50, description: `Rows a page, 1 to ${MAX_LIMIT}` }),
    cursor: z.string().min(1).max(1000).optional().openapi({ description: "The `next` of the page before" }),
    sort: z.enum(orders as [string, ...string[]]).default(options.defaultSort ?? options.sort[0])
      .openapi({ description: "Column to sort by; a leading `-` turns the order round" }),
    ...(options.filters ?? {} as F),
  });
}

/** The answer schema of a list. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({
    items: z.array(item),
    next: z.string().nullable().openapi({ description: "Cursor of the next page; null on the last one" }),
  });
}

function readCursor(cursor: string, sort: string): [string, string] {
  try {
    const bytes = Uint8Array.from(atob(cursor.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const parsed = JSON.parse(new TextDecoder().decode(bytes));
    const [, value, id] = z.tuple([z.literal(sort), z.string(), z.string()]).parse(parsed);
    return [value, id];
  } catch {
    throw new AppError("invalid_request", "The cursor does not belong to this list and order", {
      fields: [{ path: "cursor", message: "Use the `next` of the page before, with the same sort" }],
    });
  }
}

/** Where a page begins, its order, and how many rows to read: one more than asked for, to know whether there is a next. */
export interface Page {
  where: Fragment;
  orderBy: Fragment;
  limit: number;
}

/**
 * Turns a page request into SQL.
 * @param options.columns Sort name → SQL column; all must be NOT NULL. `id` is the tie-breaker.
 * @throws AppError invalid_request when the cursor is not one of this list.
 */
export function page(request: PageRequest, options: { columns: Record<string, Fragment>; id: Fragment }): Page {
  const descending = request.sort.startsWith("-");
  const name = descending ? request.sort.slice(1) : request.sort;
  const column = options.columns[name];
  if (!column) throw new AppError("invalid_request", `This list cannot be sorted by "${name}"`);
  const { id } = options;
  const orderBy = descending ? sql`${column} desc, ${id} desc` : sql`${column}, ${id}`;
  if (!request.cursor) return { where: sql`true`, orderBy, limit: request.limit + 1 };
  const [value, last] = readCursor(request.cursor, request.sort);
  const where = descending
    ? sql`(${column}, ${id}) < (${value}, ${last})`
    : sql`(${column}, ${id}) > (${value}, ${last})`;
  return { where, orderBy, limit: request.limit + 1 };
}

/**
 * Cuts the extra row off and makes the cursor of the next page.
 * @param key Gives a row's sort value and id, as PostgreSQL reads them; the default takes the sort column and "id".
 */
export function toPage<T extends object>(
  rows: T[],
  request: PageRequest,
  key: (row: T, sort: string) => [string, string] = (row, sort) => {
    const fields = row as Record<string, unknown>;
    return [String(fields[sort]), String(fields.id)];
  },
): { items: T[]; next: string | null } {
  const items = rows.slice(0, request.limit);
  if (rows.length <= request.limit) return { items, next: null };
  const [value, id] = key(items[items.length - 1], request.sort.replace(/^-/, ""));
  return { items, next: Buffer.from(JSON.stringify([request.sort, value, id])).toString("base64url") };
}

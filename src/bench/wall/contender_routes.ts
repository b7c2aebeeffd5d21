// The handler of GET /v1/renters in the two ways that one would write it without doors, on the stock driver: with a plain
// condition and no transaction (a), and with row-level security and an awaited transaction (b). Filters, sorting, paging
// and answer are those of the real route.
import { z } from "@hono/zod-openapi";
import { AppError } from "../../errors.ts";
import { pageOf, toPage } from "../../http/paging.ts";
import { route } from "../../http/route.ts";
import { type Renter, renter, type RenterQuery, renterQuery } from "../../tenant/renters/model.ts";
import type { Stock } from "./stock.ts";

type Row = Renter & { last_name_key: string };

const shape = {
  method: "get" as const,
  summary: "List renters, as measured",
  tag: "Bench",
  query: renterQuery,
  answer: pageOf(renter) as z.ZodType<{ items: Renter[]; next: string | null }>,
};
const key = (row: Row, sort: string): [string, string] => [
  sort === "last_name" ? row.last_name_key : row.created_at,
  row.id,
];

/** (a): every query names its tenant, and nothing stands behind it. */
export function plainRoute(stock: Stock) {
  return route({
    ...shape,
    operation: "bench.plain",
    path: "/v1/bench/plain",
    handler: async (call) => {
      const rows = await stock<Row[]>`select ${columns(stock)} from tenant.renters
        where tenant_id = ${call.tenant.id} and ${filters(stock, call.query)}
        order by ${order(stock, call.query)} limit ${call.query.limit + 1}`;
      return toPage(rows, call.query, key);
    },
  });
}

/** (b): begin, set_config, query and commit, each awaited. */
export function naiveRoute(stock: Stock) {
  return route({
    ...shape,
    operation: "bench.naive",
    path: "/v1/bench/naive",
    handler: async (call) => toPage(await naiveRows(stock, call.tenant.id, call.query), call.query, key),
  });
}

/** The visit of (b) by itself. */
export async function naiveRows(stock: Stock, tenantId: string, query: RenterQuery): Promise<Row[]> {
  return await stock.begin(async (tx) => {
    await tx`select set_config('jwt.claims.tenant_id', ${tenantId}, true)`;
    return await tx<Row[]>`select ${columns(tx)} from bench.renters
      where ${filters(tx, query)} order by ${order(tx, query)} limit ${query.limit + 1}`;
  }) as Row[];
}

type Tag = (strings: TemplateStringsArray, ...values: never[]) => never;

function columns(stock: unknown): never {
  const sql = stock as Tag;
  return sql`id, property_id, first_name, last_name, last_name_key, email, phone,
    lease_starts_on, lease_ends_on, created_at, updated_at`;
}

function filters(stock: unknown, query: RenterQuery): never {
  const sql = stock as Tag;
  if (query.cursor) throw new AppError("invalid_request", "The measured route shows the first page only");
  const [email, property] = [query.email as never, query.property_id as never];
  return sql`${query.search === undefined ? sql`true` : sql`last_name_key >= lower(${query.search as never})`}
    and ${email === undefined ? sql`true` : sql`email_key = lower(${email})`}
    and ${property === undefined ? sql`true` : sql`property_id = ${property}`}`;
}

function order(stock: unknown, query: RenterQuery): never {
  const sql = stock as Tag;
  if (query.sort !== "last_name") throw new AppError("invalid_request", "The measured route sorts by last name only");
  return sql`last_name_key, id`;
}

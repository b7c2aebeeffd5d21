// The stock driver, as its documentation has it used: its own pool, its own encoding. What the doors are measured against;
// nothing of the product runs on it.
import postgres from "postgres";
import { toInstant } from "../../db/parsers.ts";

/** How to connect. */
export interface StockTarget {
  host: string;
  port: number;
  database: string;
  user: string;
  password: string;
}

/** The stock driver's client. */
export type Stock = postgres.Sql;

/** A pool of `max` connections; instants and dates come as text, as the API answers them. */
export function openStock(target: StockTarget, max: number): Stock {
  const same = (text: string) => text;
  const types = {
    instant: { to: 1184, from: [1184], serialize: same, parse: toInstant },
    date: { to: 1082, from: [1082], serialize: same, parse: same },
  };
  return postgres({ ...target, username: target.user, max, types: types as never, onnotice: () => {} });
}

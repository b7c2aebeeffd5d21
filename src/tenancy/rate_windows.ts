// The statements behind limits.ts: allowances that all processes share, counted in platform.rate_windows.
// What must not happen here: a count that a process makes for itself; the row in the database is what is true.
import type { Query, Tx } from "../db/sql.ts";

/** What one take asks of one window. */
export interface Asked {
  key: string;
  /** Requests that wait for an answer. */
  needed: number;
  /** How many more the process would like to hold in advance. */
  ahead: number;
  /** How many requests the window allows. */
  allowance: number;
}

/** What a take was given. */
export interface Given {
  /** Which window it is; another text, another window. */
  window_start: string;
  granted: number;
  /** What is left in the database after this take. */
  remaining: number;
  /** Milliseconds until the window ends, counted from the statement. */
  reset_ms: number;
}

/** Takes from several windows in one statement; the answers are in the order of `asked`. */
export function takeAllowances(tx: Tx, asked: Asked[], windowMs: number): Query<Given[]> {
  const column = <K extends keyof Asked>(name: K) => asked.map((one) => one[name]);
  return tx<Given & { place: number }>`select place, window_start, granted, remaining, reset_ms
    from platform.take_allowances(${column("key")}::text[], ${column("needed")}::int[], ${column("ahead")}::int[],
      ${column("allowance")}::int[], ${windowMs}::int)`
    .map((rows) => [...rows].sort((a, b) => a.place - b.place));
}

/** What a process held in advance and does not need. */
export interface Unused {
  key: string;
  windowStart: string;
  amount: number;
}

/** Gives back to the windows that it was taken from, if they have not ended. */
export function giveBackAllowances(tx: Tx, unused: Unused[]): Query<unknown> {
  return tx`select platform.give_back_allowances(${unused.map(({ key }) => key)}::text[],
    ${unused.map(({ windowStart }) => windowStart)}::text[], ${unused.map(({ amount }) => amount)}::int[])`;
}

/** Removes up to 50,000 windows that ended long ago; those that somebody uses just now are passed over. */
export function sweepWindows(tx: Tx): Query<number> {
  return tx`delete from platform.rate_windows where key in (
    select key from platform.rate_windows where started_at < now() - interval '10 minutes' limit 50000
      for update skip locked)`.map((rows) => rows.count);
}

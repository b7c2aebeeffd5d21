// Readings on their way to the database, column by column as the statement takes them. Two lines of one batch with the
// same time are settled here, so that a statement never meets the same row twice.
import type { ImportQuery } from "./model.ts";
import type { Ledger } from "./ledger.ts";
import type { Reading } from "./row.ts";

/** Rows of one statement. */
const FULL = 5_000;

export class Batch {
  readonly lines: number[] = [];
  readonly endsAt: string[] = [];
  readonly days: string[] = [];
  readonly values: string[] = [];
  readonly zones: (string | null)[] = [];
  readonly #places = new Map<number, number>();

  get size(): number {
    return this.lines.length;
  }

  /** Adds a reading; true when the batch is full. */
  add(line: number, row: Reading, onConflict: ImportQuery["on_conflict"], ledger: Ledger): boolean {
    const place = this.#places.get(row.endsAt);
    if (place !== undefined) {
      this.#settle(place, line, row, onConflict, ledger);
      return false;
    }
    this.#places.set(row.endsAt, this.lines.length);
    this.endsAt.push(new Date(row.endsAt).toISOString());
    this.lines.push(line);
    this.days.push(row.day);
    this.values.push(row.value);
    this.zones.push(row.zone);
    return this.lines.length >= FULL;
  }

  #settle(place: number, line: number, row: Reading, onConflict: ImportQuery["on_conflict"], ledger: Ledger): void {
    const same = this.values[place] === row.value && this.zones[place] === row.zone && this.days[place] === row.day;
    if (same) {
      ledger.unchanged++;
    } else if (onConflict === "reject") {
      ledger.reject(line, { reason: `The line conflicts with line ${this.lines[place]}, which has the same time` });
    } else {
      ledger.accepted++;
      this.values[place] = row.value;
      this.zones[place] = row.zone;
      this.days[place] = row.day;
    }
  }
}

// Imports a file of readings: lines → rows → batches → one transaction. The next batch is read while the database stores
// the last one. Nothing is kept of a file that breaks off or whose mapping does not fit.
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { Batch } from "./batch.ts";
import type { CsvLine } from "./csv.ts";
import { Ledger } from "./ledger.ts";
import type { ImportQuery, ImportResult } from "./model.ts";
import { closeImport, openImport, openMeter, storeBatch } from "./queries.ts";
import { type RowReader, rowReader } from "./row.ts";

/** If so many lines from the first on are unreadable in a way that a wrong mapping explains, the mapping is wrong. */
const TRIAL_LINES = 100;

/** One import. */
export interface ImportRequest extends ImportQuery {
  meterId: string;
  memberId: string | null;
}

/**
 * Stores the readings of `source` under a meter, inside the caller's transaction.
 * @throws AppError `not_found` (meter), `conflict` (an import of this meter is running), `unprocessable` (the mapping
 * does not fit), and what the source throws.
 */
export async function importReadings(
  tx: Tx,
  request: ImportRequest,
  source: AsyncIterable<CsvLine[]>,
): Promise<ImportResult> {
  const meter = await openMeter(tx, request.meterId);
  if (!meter.locked) throw new AppError("conflict", "An import of this meter is running; try again when it has ended");
  const run = new ImportRun(tx, request, await openImport(tx, request), meter.time_zone);
  for await (const lines of source) {
    for (const line of lines) {
      if (run.take(line)) await run.store();
    }
  }
  return await run.finish();
}

class ImportRun {
  readonly #ledger = new Ledger();
  #batch = new Batch();
  #storing: Promise<void> = Promise.resolve();
  #read: RowReader | undefined;

  constructor(readonly tx: Tx, readonly request: ImportRequest, readonly importId: string, readonly zone: string) {
    if (!request.mapping.header) this.#read = rowReader(request.mapping, null, zone);
  }

  /** Takes one line; true when the batch is full. */
  take({ line, cells, fault }: CsvLine): boolean {
    const { mapping } = this.request;
    if (line <= mapping.skip_lines) return false;
    if (!this.#read) {
      if (fault) throw new AppError("unprocessable", `The header line cannot be read: ${fault}`);
      this.#read = rowReader(mapping, cells, this.zone);
      return false;
    }
    const row = fault ? { reason: fault } : this.#read(cells);
    if ("reason" in row) {
      this.#ledger.reject(line, row);
      if (this.#ledger.lines + this.#batch.size === TRIAL_LINES) this.#refuseWrongMapping();
      return false;
    }
    return this.#batch.add(line, row, this.request.on_conflict, this.#ledger);
  }

  /** Hands the batch to the database once the one before is stored; does not wait for it. */
  async store(): Promise<void> {
    await this.#storing;
    const batch = this.#batch;
    this.#batch = new Batch();
    this.#storing = storeBatch(this.tx, this.request, this.importId, batch, this.#ledger);
    this.#storing.catch(() => {}); // thrown by the next await of it
  }

  async finish(): Promise<ImportResult> {
    await this.#storing;
    if (!this.#read) throw new AppError("unprocessable", "The file is empty");
    if (this.#ledger.lines + this.#batch.size < TRIAL_LINES) this.#refuseWrongMapping();
    await this.store();
    await this.#storing;
    const result = this.#ledger.result(this.importId);
    await closeImport(this.tx, result);
    return result;
  }

  #refuseWrongMapping(): void {
    const { unread, lines, first } = this.#ledger;
    if (unread === 0 || unread < lines + this.#batch.size) return;
    throw new AppError("unprocessable", `No line can be read with this mapping; line ${first?.line}: ${first?.reason}`);
  }
}

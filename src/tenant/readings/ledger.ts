// What an import counts: each line of data ends up in exactly one of accepted, unchanged and rejected.
import type { ImportResult, LineFault } from "./model.ts";
import type { RowFault } from "./row.ts";

/** Rejected lines that are told one by one. */
const TOLD = 100;

/** The counts of one import and its first rejected lines. */
export class Ledger {
  accepted = 0;
  unchanged = 0;
  rejected = 0;
  /** Rejected lines of the kind that a wrong mapping gives to every line. */
  unread = 0;
  #faults: LineFault[] = [];

  /** Lines that were counted so far. */
  get lines(): number {
    return this.accepted + this.unchanged + this.rejected;
  }

  /** The first line that was rejected. */
  get first(): LineFault | undefined {
    return this.#faults[0];
  }

  reject(line: number, { reason, column, unread }: RowFault): void {
    this.rejected++;
    if (unread) this.unread++;
    // Conflicts are found later than broken lines: what is kept is sorted before it is cut.
    if (this.#faults.length >= 2 * TOLD) this.#faults = this.#firstFaults();
    const last = this.#faults[TOLD - 1];
    if (!last || line < last.line || this.#faults.length < TOLD) {
      this.#faults.push({ line, reason, ...(column !== undefined && { column }) });
    }
  }

  result(importId: string): ImportResult {
    const { lines, accepted, unchanged, rejected } = this;
    const errors = this.#firstFaults();
    return {
      import_id: importId,
      lines,
      accepted,
      unchanged,
      rejected,
      errors,
      errors_truncated: rejected > errors.length,
    };
  }

  #firstFaults(): LineFault[] {
    return this.#faults.sort((a, b) => a.line - b.line).slice(0, TOLD);
  }
}

// Splits streamed CSV (RFC 4180) into lines of cells. Written here because one broken line must cost that line only:
// the packages stop at a stray quote or swallow the rest of the file. Holds one chunk and one unfinished line, no more.

/** How to split. */
export interface CsvShape {
  /** One character between cells. */
  delimiter: string;
  /** Characters that a line may have; a longer one is a fault. */
  maxLength?: number;
}

/** One line of the file: its cells, or the fault that makes it unreadable. */
export interface CsvLine {
  /** Number of the line in the file, the first being 1; of the first one where a quoted cell spans several. */
  line: number;
  cells: string[];
  fault?: string;
}

/** 64 KiB: far above any reading, far below what would strain memory. */
export const MAX_LINE = 65_536;

const QUOTE = 34;
const LF = 10;
const CR = 13;

type Quoted = { cells: string[]; next: number } | { fault: string } | "unfinished";

/** Splits text that comes in chunks of any size. Blank lines are counted and left out. */
export class CsvSplitter {
  readonly #delimiter: string;
  readonly #maxLength: number;
  #rest = "";
  #line = 0;
  #skipping = false;

  constructor({ delimiter, maxLength = MAX_LINE }: CsvShape) {
    this.#delimiter = delimiter;
    this.#maxLength = maxLength;
  }

  /** Takes the next chunk and returns the lines that are finished by it. */
  push(chunk: string): CsvLine[] {
    return this.#split(this.#rest + chunk, false);
  }

  /** Returns what is left when the file ends without a line break. */
  end(): CsvLine[] {
    return this.#split(this.#rest, true);
  }

  #split(text: string, last: boolean): CsvLine[] {
    const found: CsvLine[] = [];
    let start = 0;
    let quote = text.indexOf('"');
    while (start < text.length) {
      const feed = text.indexOf("\n", start);
      const stop = feed < 0 ? text.length : feed;
      if (quote >= 0 && quote < start) quote = text.indexOf('"', start);
      const long = this.#skipping || stop - start > this.#maxLength;
      if (quote >= 0 && quote < stop && !long) {
        const next = this.#quoted(text, start, last, found);
        if (next < 0) break;
        start = next;
        continue;
      }
      if (feed < 0 && !last && !long) break;
      if (long) this.#drop(feed >= 0 || last, found);
      else this.#plain(text, start, stop, found);
      start = stop + 1;
    }
    this.#rest = text.slice(start);
    return found;
  }

  /** A line without quotes. */
  #plain(text: string, start: number, stop: number, found: CsvLine[]): void {
    const line = ++this.#line;
    const end = stop > start && text.charCodeAt(stop - 1) === CR ? stop - 1 : stop;
    if (end > start) found.push({ line, cells: text.slice(start, end).split(this.#delimiter) });
  }

  /** Part of a line that is too long: reported once, then left out up to its line break. */
  #drop(finished: boolean, found: CsvLine[]): void {
    if (!this.#skipping) {
      const fault = `The line is longer than ${this.#maxLength} characters`;
      found.push({ line: ++this.#line, cells: [], fault });
    }
    this.#skipping = !finished;
  }

  /** A line with quotes. Returns where the next one starts, -1 when the chunk ends inside it. */
  #quoted(text: string, start: number, last: boolean, found: CsvLine[]): number {
    const limit = start + this.#maxLength;
    let record = readQuoted(text, start, this.#delimiter, last, limit);
    if (record === "unfinished") {
      if (!last && text.length <= limit) return -1;
      record = { fault: "A quoted cell is not closed" };
    }
    const line = ++this.#line;
    if ("fault" in record) {
      found.push({ line, cells: [], fault: record.fault });
      const feed = text.indexOf("\n", start);
      if (feed < 0 && !last) this.#skipping = true;
      return feed < 0 ? text.length : feed + 1;
    }
    for (
      let feed = text.indexOf("\n", start);
      feed >= 0 && feed < record.next - 1;
      feed = text.indexOf("\n", feed + 1)
    ) {
      this.#line++;
    }
    found.push({ line, cells: record.cells });
    return record.next;
  }
}

/** Reads one record character by character, from `start` to its line break or to `limit`. */
function readQuoted(text: string, start: number, delimiter: string, last: boolean, limit: number): Quoted {
  const cells: string[] = [];
  let at = start;
  for (;;) {
    let cell: string;
    if (text.charCodeAt(at) === QUOTE) {
      const close = closingQuote(text, at + 1);
      if (close < 0 || close > limit) return "unfinished";
      cell = text.slice(at + 1, close).replaceAll('""', '"');
      at = close + 1;
    } else {
      const from = at;
      while (at < text.length && text[at] !== delimiter && text.charCodeAt(at) !== LF) at++;
      const end = text.charCodeAt(at) === LF && at > from && text.charCodeAt(at - 1) === CR ? at - 1 : at;
      cell = text.slice(from, end);
    }
    cells.push(cell);
    if (text.charCodeAt(at) === CR && (text.charCodeAt(at + 1) === LF || at + 1 === text.length)) at++;
    if (at >= text.length) return last ? { cells, next: at } : "unfinished";
    if (text.charCodeAt(at) === LF) return { cells, next: at + 1 };
    if (text[at] !== delimiter) return { fault: "There is text after a closing quote" };
    at++;
  }
}

/** Where a quoted cell ends: the first quote that is not doubled, or -1. */
function closingQuote(text: string, from: number): number {
  for (let at = text.indexOf('"', from); at >= 0; at = text.indexOf('"', at + 2)) {
    if (text.charCodeAt(at + 1) !== QUOTE) return at;
  }
  return -1;
}

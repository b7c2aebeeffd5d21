// Checks an exported audit with nothing but this file: `deno run --allow-read offline.ts audit.jsonl [--head <seq>:<hash>]
// [--complete]`. Exit codes: 0 sound and whole, 1 not, 2 nothing that could be checked, 3 sound as far as a part can be.
// The server and the command line check by the same class. It must import nothing besides node:crypto, so that an auditor
// can read it whole and run it elsewhere. What a hash covers is said in docs/decisions/0006-audit-chained-at-commit.md.
import { createHash } from "node:crypto";

/** One entry; `changes` is the exact JSON text that was hashed, `origin` too. Hashes are hexadecimal. */
export interface Entry {
  tenant_id: string;
  seq: number;
  at: string;
  actor: string;
  origin: string | null;
  operation: string | null;
  action: string;
  resource: string;
  resource_id: string | null;
  prev_hash: string;
  hash: string;
  changes: string;
}

/** Where a chain ends, or ended when somebody wrote it down. */
export interface Head {
  seq: number;
  hash: string;
}

/** The first thing that is wrong, and at which entry. */
export interface Fault {
  seq: number;
  what: string;
}

const sha256 = (...parts: (string | Uint8Array)[]) =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest("hex");

/** What the first entry of a tenant follows on. */
export function beginning(tenantId: string): string {
  return sha256(`bulkhead audit ${tenantId}`);
}

/** SHA-256 of the hash before and of `<tenant> <seq> [<at>, <actor>, …, <changes>]`, the fields as JSON. */
export function hashOf(entry: Entry): string {
  const { at, actor, origin, operation, action, resource, resource_id, changes } = entry;
  const fields = [at, actor, origin, operation, action, resource, resource_id].map((field) => JSON.stringify(field));
  const content = `${entry.tenant_id} ${entry.seq} [${[...fields, changes].join(", ")}]`;
  return sha256(Uint8Array.from(entry.prev_hash.match(/../g) ?? [], (byte) => parseInt(byte, 16)), content);
}

/** An entry as a line of an export. The changes come last and as they were hashed. */
export function lineOf({ changes, ...fields }: Entry): string {
  const { tenant_id, seq, at, actor, origin, operation, action, resource, resource_id, prev_hash, hash } = fields;
  const before = { tenant_id, seq, at, actor, origin, operation, action, resource, resource_id, prev_hash, hash };
  return `${JSON.stringify(before).slice(0, -1)},"changes":${changes}}`;
}

/** The entry of a line; throws when the line says anything that an export would not say. */
export function entryOf(line: string): Entry {
  const parsed = JSON.parse(line);
  const at = line.indexOf(',"changes":'); // in a text it would stand with a backslash
  const entry: Entry = { ...parsed, changes: line.slice(at + ',"changes":'.length, -1) };
  if (at < 0 || lineOf(entry) !== line) throw new Error("The line is not as it was exported");
  return entry;
}

/** Follows a chain entry by entry and keeps the first fault. */
export class ChainCheck {
  entries = 0;
  first: number | null = null;
  last: Head | null = null;
  fault: Fault | null = null;
  #tenant: string | null = null;
  /** Of the remembered ones those that have not come yet. */
  #missing: Head[];

  /**
   * @param options.complete Every entry from the first one on must come; else gaps are passed over, and only what follows
   * on each other is linked. @param options.remembered Entries that must be there.
   */
  constructor(readonly options: { complete: boolean; remembered?: readonly Head[] }) {
    this.#missing = [...options.remembered ?? []];
  }

  /** Takes the next entry; false once there is a fault. */
  add(entry: Entry): boolean {
    if (this.fault) return false;
    this.fault = this.#examine(entry);
    if (this.fault) return false;
    this.entries++;
    this.#tenant ??= entry.tenant_id;
    this.first ??= entry.seq;
    this.last = { seq: entry.seq, hash: entry.hash };
    this.#missing = this.#missing.filter(({ seq }) => seq !== entry.seq);
    return true;
  }

  /** Says that there are no more entries; `head` is where the chain says that it ends. */
  end(head: Head | null): Fault | null {
    if (this.fault) return this.fault;
    const seq = this.last?.seq ?? 0;
    const { complete } = this.options;
    const [missing] = this.#missing;
    if (complete && head && head.seq > seq) {
      this.fault = { seq: seq + 1, what: `Entries ${seq + 1} to ${head.seq} were removed from the end` };
    } else if (complete && head && head.seq < seq) {
      this.fault = { seq: head.seq + 1, what: `Entries after ${head.seq} were added by somebody else` };
    } else if (complete && head && this.last && head.hash !== this.last.hash) {
      this.fault = { seq, what: `Entry ${seq} is not the one with which the chain ended` };
    } else if (!head && complete && seq > 0) {
      this.fault = { seq, what: "The end of the chain is not known: it was removed" };
    } else if (missing) {
      this.fault = { seq: missing.seq, what: `Entry ${missing.seq}, which was remembered, is not there` };
    }
    return this.fault;
  }

  #examine(entry: Entry): Fault | null {
    const { seq } = entry;
    const wrong = (what: string): Fault => ({ seq, what });
    const before = this.last?.seq ?? 0;
    if (this.#tenant !== null && entry.tenant_id !== this.#tenant) return wrong(`Entry ${seq} is another tenant's`);
    if (seq <= before) return wrong(`Entry ${seq} comes after entry ${before}: the order was changed`);
    if (this.options.complete && seq > before + 1) {
      return {
        seq: before + 1,
        what: seq === before + 2
          ? `Entry ${before + 1} was removed`
          : `Entries ${before + 1} to ${seq - 1} were removed`,
      };
    }
    if (hashOf(entry) !== entry.hash) return wrong(`Entry ${seq} was changed`);
    const follows = seq === 1 ? beginning(entry.tenant_id) : seq === before + 1 ? this.last!.hash : entry.prev_hash;
    if (entry.prev_hash !== follows) {
      return wrong(`Entry ${seq} does not follow on entry ${seq - 1}: one of them was replaced`);
    }
    if (this.#missing.some((remembered) => remembered.seq === seq && remembered.hash !== entry.hash)) {
      return wrong(`Entry ${seq} is not the one that was remembered: the chain was written anew`);
    }
    return null;
  }
}

/** The last line of an export. */
export interface Trailer {
  /** Whether nothing was filtered out. */
  complete: boolean;
  head: Head | null;
}

/** Reads `<seq>:<hash>`; null when it is not of this form. */
export function readHead(text: string): Head | null {
  const match = /^([1-9]\d{0,14}):([0-9a-f]{64})$/.exec(text);
  return match && { seq: Number(match[1]), hash: match[2] };
}

/** The trailer of an export; null when the line is none. */
function trailerOf(line: string | undefined): Trailer | null {
  try {
    const { trailer } = JSON.parse(line ?? "");
    const { complete, head } = trailer;
    const isHead = head === null || readHead(`${head.seq}:${head.hash}`) !== null || head.seq === 0;
    return typeof complete === "boolean" && isHead && JSON.stringify({ trailer }) === line ? trailer : null;
  } catch {
    return null;
  }
}

/** What came of an export: the check, and how many entries the whole chain has if the export is only a part of it. */
export type Checked = ChainCheck & { partOf: number | null };

/**
 * Checks the lines of an export.
 * @param remembered Where the chain once ended: only a whole export can show that this is still in it.
 * @param options `whole`: a part will not do.
 */
export function checkLines(lines: string[], remembered?: Head, { whole = remembered !== undefined } = {}): Checked {
  const trailer = trailerOf(lines.at(-1));
  const chain = new ChainCheck({ complete: trailer?.complete ?? true, remembered: remembered && [remembered] });
  const check: Checked = Object.assign(chain, { partOf: trailer && !trailer.complete ? trailer.head?.seq ?? 0 : null });
  const fail = (what: string) => {
    check.fault ??= { seq: (check.last?.seq ?? 0) + 1, what };
    return check;
  };
  for (const line of trailer ? lines.slice(0, -1) : lines) {
    try {
      if (!check.add(entryOf(line))) return check;
    } catch {
      return fail("The line is not as it was exported");
    }
  }
  if (!trailer) return fail("The last line is missing: the export was cut off");
  if (check.partOf === null) check.end(trailer.head);
  else if (check.partOf < (check.last?.seq ?? 0)) fail("The last line says that the chain ends before the last entry");
  else if (whole) fail(`The export is a part, ${partOf(check)}: give one that was made without filters`);
  return check;
}

const partOf = ({ entries, partOf }: Checked) =>
  `${entries} of ${partOf} entries, and that more were removed cannot be ruled out`;

const USAGE = "Give the file of an export in JSON lines; if you wrote an end of the chain down, --head <seq>:<hash>; " +
  "and --complete if a part will not do";

/** Reads the arguments; null when they are anything but one file and the options that there are, each once. */
function readArguments(args: readonly string[]): { file: string; head?: Head; whole: boolean } | null {
  const files: string[] = [];
  let head: Head | null | undefined;
  let whole = false;
  const left = args.flatMap((arg) => arg.startsWith("--head=") ? ["--head", arg.slice("--head=".length)] : [arg]);
  for (let arg = left.shift(); arg !== undefined; arg = left.shift()) {
    if (arg === "--head" && head === undefined) head = readHead(left.shift() ?? "");
    else if (arg === "--complete" && !whole) whole = true;
    else if (arg.startsWith("-")) return null;
    else files.push(arg);
  }
  if (files.length !== 1 || head === null) return null;
  return { file: files[0], head, whole: whole || head !== undefined };
}

/** Checks a file and says what came of it. Gives the exit code. */
async function main(args: readonly string[]): Promise<number> {
  const given = readArguments(args);
  if (!given) return tell(2, USAGE);
  let text: string;
  try {
    text = await Deno.readTextFile(given.file);
  } catch (error) {
    return tell(2, `The file cannot be read: ${error instanceof Error ? error.message : error}`);
  }
  const lines = text.split("\n").filter(Boolean);
  if (lines.length > 0 && !lines[0].startsWith("{")) {
    return tell(2, 'This is no export in JSON lines: export with the format "jsonl", a CSV cannot be checked');
  }
  const check = checkLines(lines, given.head, given);
  if (check.fault) return tell(1, `✘ ${check.fault.what}`);
  if (check.partOf !== null) return tell(3, `PARTIAL: ${partOf(check)}`);
  return tell(0, `✔ ${check.entries} entries; the chain ends with ${check.last?.seq ?? 0}:${check.last?.hash ?? "-"}`);
}

function tell(code: number, text: string): number {
  if (code === 2) console.error(text);
  else console.log(text);
  return code;
}

if (import.meta.main) Deno.exit(await main(Deno.args));

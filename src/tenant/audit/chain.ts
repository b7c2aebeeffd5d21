// Follows a tenant's whole chain piece by piece: to verify it, or to export it. Memory holds one piece, whatever the length;
// each piece is read in a transaction of its own.
import { stringify } from "csv-stringify/sync";
import type { AuditFilter, ExportFormat, ShownEntry, Verified } from "./model.ts";
import { ChainCheck, type Entry, type Head, lineOf, readHead, type Trailer } from "./offline.ts";
import type { nextEntries, Piece } from "./queries.ts";

/** Entries that are read at once. */
const PIECE = 1_000;
/** Before every entry that can be there, also before those that should not. */
const START = Number.MIN_SAFE_INTEGER;

/** Reads a piece of a chain, in a transaction of its own. */
export type ReadPiece = (wanted: Parameters<typeof nextEntries>[1]) => Promise<Piece>;

/**
 * Follows the chain from its first entry to its end; entries that are added meanwhile are followed too.
 * @param known Ends that the chain once had: `checkpoint` was noted by the platform, `head` (`<seq>:<hash>`) by the caller.
 */
export async function verifyChain(
  read: ReadPiece,
  { checkpoint, head: remembered }: { checkpoint: Head | null; head?: string },
): Promise<Verified> {
  const given = remembered === undefined ? null : readHead(remembered);
  const check = new ChainCheck({ complete: true, remembered: [checkpoint, given].filter((head) => head !== null) });
  let head: Head | null = null;
  for (let sound = true; sound;) {
    const piece = await read({ after: check.last?.seq ?? START, limit: PIECE });
    head = piece.head;
    if (piece.entries.length === 0) break;
    sound = piece.entries.every((entry) => check.add(entry));
  }
  const fault = check.end(head);
  const { entries, first: from, last } = check;
  return { ok: !fault, entries, from, to: last?.seq ?? null, head, checkpoint, fault };
}

/** The entries that are wanted as text, oldest first, up to the end that the chain has when it begins. */
export async function* exportChain(read: ReadPiece, format: ExportFormat, filter: AuditFilter): AsyncGenerator<string> {
  const { head } = await read({ after: START, limit: 1 });
  const to = head?.seq ?? 0;
  let title = format === "csv" ? csv([COLUMNS]) : ""; // with the first rows: until then a refusal can still be told
  for (let after = START; after < to;) {
    const { entries } = await read({ after, to, limit: PIECE, filter });
    if (entries.length === 0) break;
    after = entries[entries.length - 1].seq;
    yield title +
      (format === "csv"
        ? csv(entries.map((entry) => cells(entry)))
        : entries.map((entry) => `${lineOf(entry)}\n`).join(""));
    title = "";
  }
  if (title) yield title;
  const trailer: Trailer = { complete: Object.values(filter).every((value) => value === undefined), head };
  if (format === "jsonl") yield `${JSON.stringify({ trailer })}\n`;
}

const COLUMNS = [
  "seq",
  "at",
  "actor",
  "impersonating",
  "address",
  "agent",
  "request",
  "operation",
  "action",
  "resource",
  "resource_id",
  "changes",
  "prev_hash",
  "hash",
] as const satisfies (keyof ShownEntry)[];

function cells(entry: Entry): unknown[] {
  const shown = { ...shownEntry(entry), changes: entry.changes };
  return COLUMNS.map((column) => shown[column]);
}

function csv(rows: readonly (readonly unknown[])[]): string {
  return stringify(rows.map((row) => [...row]), { escape_formulas: true, record_delimiter: "windows" });
}

/** An entry as callers see it: the origin taken apart. */
export function shownEntry({ origin, changes, tenant_id: _, ...entry }: Entry): ShownEntry {
  const from = parsed(origin);
  const part = (name: string) => typeof from[name] === "string" ? from[name] as string : null;
  return {
    ...entry,
    impersonating: part("impersonating"),
    address: part("address"),
    agent: part("agent"),
    request: part("request"),
    changes: parsed(changes),
  };
}

/** An origin is only claimed, not proven: whatever is no object counts as none. */
function parsed(text: string | null): Record<string, unknown> {
  try {
    const value = JSON.parse(text ?? "{}");
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};
  } catch {
    return {};
  }
}

// The audit as callers see it.
import { z } from "@hono/zod-openapi";
import { pageQuery, wholeNumber } from "../../http/paging.ts";
import { text } from "../fields.ts";

const hash = z.string().openapi({ description: "SHA-256, hexadecimal" });
const instant = z.iso.datetime({ offset: true }).openapi({ example: "2026-01-31T12:00:00Z" });

/** What happened to a row, what was refused, what an operator on a visit asked for, or a change of what the platform keeps. */
const action = z.enum(["insert", "update", "delete", "bulk", "refused", "visited", "outside"]);

export const entry = z.object({
  seq: z.number().int().openapi({ description: "Number in the tenant's chain, without gaps" }),
  at: z.string().openapi({ format: "date-time" }),
  actor: z.string().openapi({
    description: "member:<id>, key:<id>, operator:<id>, or - for the platform and for nobody",
  }),
  impersonating: z.string().nullable().openapi({ description: "The visit (impersonation) in which an operator acted" }),
  address: z.string().nullable(),
  agent: z.string().nullable(),
  request: z.string().nullable(),
  operation: z.string().nullable(),
  action: z.string().openapi({ description: "insert, update, delete, bulk, refused, visited or outside" }),
  resource: z.string(),
  resource_id: z.string().nullable(),
  changes: z.record(z.string(), z.unknown()).openapi({
    description: "Of an update column → [before, after], of an insert or delete column → value; secrets are masked",
  }),
  prev_hash: hash,
  hash,
}).openapi("AuditEntry");
/** An entry as it is shown. */
export type ShownEntry = z.output<typeof entry>;

const filters = {
  actor: text(100).optional(),
  action: action.optional(),
  operation: text(100).optional(),
  resource: text(300).optional(),
  resource_id: text(300).optional(),
  since: instant.optional(),
  until: instant.optional(),
};
const filterSchema = z.strictObject(filters);
/** What entries are wanted. */
export type AuditFilter = z.output<typeof filterSchema>;

export const auditQuery = pageQuery({ sort: ["seq"], defaultSort: "-seq", filters });
export type AuditQuery = z.output<typeof auditQuery>;

export const exportQuery = z.strictObject({ format: z.enum(["csv", "jsonl"]).default("jsonl"), ...filters });
export type ExportFormat = z.output<typeof exportQuery>["format"];

export const bySeq = z.strictObject({ seq: wholeNumber(1, Number.MAX_SAFE_INTEGER) });

export const verifyQuery = z.strictObject({
  head: z.string().regex(/^[1-9]\d{0,14}:[0-9a-f]{64}$/, 'Give "<seq>:<hash>"').optional()
    .openapi({ description: "An earlier end of the chain that you wrote down: it must still be in it" }),
});

const headSchema = z.object({ seq: z.number().int(), hash });

export const verified = z.object({
  ok: z.boolean(),
  entries: z.number().int(),
  from: z.number().int().nullable(),
  to: z.number().int().nullable(),
  head: headSchema.nullable().openapi({ description: "The end of the chain: write it down, and give it next time" }),
  checkpoint: headSchema.nullable().openapi({
    description: "The end that the platform noted last: a chain without this entry is not sound",
  }),
  fault: z.object({ seq: z.number().int(), what: z.string() }).nullable(),
}).openapi("AuditVerified");
/** What came of following the chain. */
export type Verified = z.output<typeof verified>;

// The API of the audit: read, verified and exported; nothing writes it but the database itself.
import { pageOf, toPage } from "../../http/paging.ts";
import { type Call, route } from "../../http/route.ts";
import { findCheckpoint } from "./checkpoints.ts";
import { exportChain, type ReadPiece, shownEntry, verifyChain } from "./chain.ts";
import { auditQuery, bySeq, entry, exportQuery, verified, verifyQuery } from "./model.ts";
import { getEntry, listEntries, nextEntries } from "./queries.ts";

const tag = "Audit";

export const list = route({
  operation: "audit.list",
  method: "get",
  path: "/v1/audit",
  summary: "List what was written and what was refused",
  description: "Newest first. `resource` and `resource_id` together give the history of one row.",
  tag,
  can: "audit.view",
  query: auditQuery,
  answer: pageOf(entry),
  handler: async (call) => {
    const { items, next } = toPage(
      await call.asTenant((tx) => listEntries(tx, call.query)),
      call.query,
      ({ seq }) => [String(seq), String(seq)],
    );
    return { items: items.map(shownEntry), next };
  },
});

export const verify = route({
  operation: "audit.verify",
  method: "get",
  path: "/v1/audit/verify",
  summary: "Follow the chain and tell whether anything was changed, removed or put in",
  description:
    "Who may write the database's own files could make a new chain that is sound in itself, but not one that contains an " +
    "end that is known elsewhere. The platform notes one every hour (`checkpoint`); write `head` down and give it next " +
    "time to rely on nobody.",
  tag,
  can: "audit.view",
  query: verifyQuery,
  answer: verified,
  handler: async (call) => {
    const checkpoint = await call.asPlatform((tx) => findCheckpoint(tx, call.tenant.id));
    const result = await verifyChain(pieces(call), { checkpoint, head: call.query.head });
    if (!result.ok) call.log.alarm("The audit of a tenant is not sound", { fault: result.fault?.what ?? "" });
    return result;
  },
});

export const download = route({
  operation: "audit.export",
  method: "get",
  path: "/v1/audit/export",
  summary: "Download entries as JSON lines or CSV",
  description: "JSON lines can be verified without the platform, by `src/tenant/audit/offline.ts`.",
  tag,
  can: "audit.export",
  query: exportQuery,
  answer: "stream",
  answerTypes: ["application/jsonl", "text/csv"],
  handler: async (call) => {
    const { format, ...filter } = call.query;
    const texts = exportChain(pieces(call), format, filter);
    const first = await texts.next(); // what is wrong with the request shows here: later it could not be told
    return new Response(bytes(first, texts), {
      headers: {
        "content-type": format === "csv" ? "text/csv; charset=utf-8; header=present" : "application/jsonl",
        "content-disposition": `attachment; filename="audit.${format}"`,
        "cache-control": "private, no-store",
        vary: "authorization, x-tenant, host",
        "x-content-type-options": "nosniff",
      },
    });
  },
});

export const get = route({
  operation: "audit.get",
  method: "get",
  path: "/v1/audit/{seq}",
  summary: "Show an entry",
  tag,
  can: "audit.view",
  params: bySeq,
  answer: entry,
  handler: async (call) => shownEntry(await call.asTenant((tx) => getEntry(tx, call.params.seq))),
});

function pieces(call: Pick<Call, "asTenant">): ReadPiece {
  return (wanted) => call.asTenant((tx) => nextEntries(tx, wanted));
}

/** Texts as a stream; each is made when the one before was sent. */
function bytes(first: IteratorResult<string>, texts: AsyncGenerator<string>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let made: IteratorResult<string> | null = first;
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = made ?? await texts.next();
      made = null;
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
    cancel: () => void texts.return(undefined),
  }, { highWaterMark: 0 });
}

export const routes = [list, verify, download, get];

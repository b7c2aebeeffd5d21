// The API of a tenant's jobs: how far they are and what came out.
import { z } from "@hono/zod-openapi";
import { sql, type Tx } from "../../db/sql.ts";
import { page, pageOf, pageQuery, toPage } from "../../http/paging.ts";
import { route } from "../../http/route.ts";
import { byId } from "../fields.ts";
import { all, equals, one } from "../statements.ts";

const tag = "Jobs";
const status = z.enum(["queued", "running", "succeeded", "failed"]);

const job = z.object({
  id: z.uuid(),
  kind: z.string(),
  status,
  progress: z.number().openapi({ description: "Share done, 0 to 1" }),
  note: z.string().nullable(),
  params: z.record(z.string(), z.unknown()),
  result: z.record(z.string(), z.unknown()).nullable(),
  error_code: z.string().nullable(),
  error: z.string().nullable(),
  attempts: z.number().int(),
  created_by: z.uuid().nullable(),
  created_at: z.string(),
  started_at: z.string().nullable(),
  finished_at: z.string().nullable(),
}).openapi("Job");
type Job = z.output<typeof job>;

const jobQuery = pageQuery({
  sort: ["created_at"],
  defaultSort: "-created_at",
  filters: { kind: z.string().max(100).optional(), status: status.optional() },
});

const columns = sql`id, kind, status, progress::float8 as progress, note, params, result, error_code, error, attempts,
  created_by, created_at, started_at, finished_at`;

function listJobs(tx: Tx, query: z.output<typeof jobQuery>) {
  const { where, orderBy, limit } = page(query, { columns: { created_at: sql`created_at` }, id: sql`id` });
  const wanted = all([equals(sql`kind`, query.kind), equals(sql`status`, query.status), where]);
  return tx<Job>`select ${columns} from tenant.jobs where ${wanted} order by ${orderBy} limit ${limit}`;
}

const list = route({
  operation: "jobs.list",
  method: "get",
  path: "/v1/jobs",
  summary: "List jobs",
  tag,
  can: "jobs.view",
  query: jobQuery,
  answer: pageOf(job),
  handler: async (call) => toPage(await call.asTenant((tx) => listJobs(tx, call.query)), call.query),
});

const get = route({
  operation: "jobs.get",
  method: "get",
  path: "/v1/jobs/{id}",
  summary: "Show a job",
  tag,
  can: "jobs.view",
  params: byId,
  answer: job,
  handler: (call) =>
    call.asTenant((tx) => tx<Job>`select ${columns} from tenant.jobs where id = ${call.params.id}`.map(one)),
});

export const routes = [list, get];

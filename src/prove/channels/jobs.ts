// The queue: a job's tenant is the row's group and never what its payload says. Jobs whose payload, id or group name the
// victim must do nothing there, and nothing of the victim may come into the attacker's rows. Kinds come from the worker's own
// list and params from their schemas: a job that is added later is tried by existing.
import { z } from "zod";
import { newId } from "../../db/ids.ts";
import { json } from "../../db/sql.ts";
import type { Handler } from "../../queue/queue.ts";
import { runTenantJob, TENANT_QUEUE, type TenantJob } from "../../tenancy/jobs.ts";
import { KINDS } from "../../worker.ts";
import { valueOf } from "../operations.ts";
import type { Scratch } from "../scratch.ts";
import type { Site } from "../site.ts";
import { type ChannelOptions, type ChannelResult, Findings, sharedSite, unchanged, victimsValues } from "./check.ts";

/** A job as it may be made to look. */
interface Message {
  name: string;
  /** Whose row it names, and which tenant the queue's group names. */
  row: "attacker" | "victim";
  group: "attacker" | "victim" | "nobody";
  data: (site: Site) => Record<string, unknown>;
}

const claims = ({ victim }: Site) => ({
  tenantId: victim.id,
  tenant_id: victim.id,
  tenant: victim.slug,
  group: victim.id,
});

const MESSAGES: Message[] = [
  { name: "a payload that names the victim", row: "attacker", group: "attacker", data: claims },
  { name: "the victim's job in the attacker's group", row: "victim", group: "attacker", data: () => ({}) },
  {
    name: "the victim's job in the attacker's group, with the victim in the payload",
    row: "victim",
    group: "attacker",
    data: claims,
  },
  { name: "the victim's job in nobody's group", row: "victim", group: "nobody", data: claims },
  { name: "the attacker's job in the victim's group", row: "attacker", group: "victim", data: () => ({}) },
];

/** A kind of job that no worker knows. */
const UNKNOWN = "prove.unknown";

/** Runs them, of every kind that there is; `handle` may be a spoiled handler, `kinds` may have more. */
export async function checkJobs(
  scratch: Scratch,
  _: ChannelOptions,
  over: { handle?: Handler; kinds?: ReadonlyMap<string, TenantJob> } = {},
): Promise<ChannelResult> {
  const findings = new Findings("jobs");
  const site = sharedSite(scratch);
  const kinds = over.kinds ?? KINDS;
  const handle = over.handle ?? ((job) => runTenantJob(scratch.services, kinds, job));
  const ids = { attacker: site.attacker.id, victim: site.victim.id, nobody: null };
  const waiting = new Map<string, string>();
  for (const message of MESSAGES.filter(({ row }) => row === "victim")) {
    waiting.set(message.name, await putJob(scratch, site, "victim", UNKNOWN, {}));
  }
  await unchanged(site, findings, async () => {
    for (const message of MESSAGES) {
      for (const kind of message.row === "attacker" ? [...kinds.keys(), UNKNOWN] : [""]) {
        const id = waiting.get(message.name) ??
          await putJob(scratch, site, "attacker", kind, await paramsOf(site, kinds.get(kind)));
        const job = { id, tenantId: ids[message.group], data: message.data(site), attempt: 1, lastAttempt: true };
        findings.tries++;
        await handle(job).catch(() => {}); // the queue would try again: what counts is what was changed
        if (message.group === "victim") await untouched(scratch, site, id, findings, message.name);
      }
    }
    await throughTheQueue(scratch, site, findings);
  });
  await nothingOfTheVictim(site, findings);
  return findings.result();
}

/** A job row, written through the tenant's door. */
async function putJob(scratch: Scratch, site: Site, who: "attacker" | "victim", kind: string, params: object) {
  const { targets, doors } = scratch.services;
  const context = await targets.context({ id: site[who].id, placement: site.placement }, {
    operation: "prove.jobs",
    requestId: "",
    readOnly: false,
  });
  const id = newId();
  await doors.asTenant(
    context,
    (tx) => tx`insert into tenant.jobs (id, kind, params) values (${id}, ${kind}, ${json(params)})`,
  );
  await site.admin`update tenant.jobs set relayed_at = now() where id = ${id}`;
  return id;
}

/** Params that the job takes, with the victim's ids wherever an id stands. Throws when the job would refuse them unread. */
async function paramsOf(site: Site, job?: TenantJob): Promise<Record<string, unknown>> {
  if (!job) return { tenant_id: site.victim.id };
  const schema = z.toJSONSchema(job.params, { io: "input", unrepresentable: "any" });
  const params: Record<string, unknown> = {};
  for (const [name, property] of Object.entries(schema.properties ?? {}) as [string, { format?: string }][]) {
    params[name] = property.format === "uuid" ? await victimsId(site, name) : valueOf(schema, property, name);
  }
  const { error } = job.params.safeParse(params);
  if (error) {
    throw new Error(`Teach src/prove/operations.ts values for the job "${job.kind}": ${z.prettifyError(error)}`);
  }
  return params;
}

/** The id of the victim's row that a name such as `building_id` means; the victim's own where it means none. */
async function victimsId(site: Site, name: string): Promise<string> {
  const table = site.tables.find((one) => `${one.name.replace(/^\w+\./, "").replace(/s$/, "")}_id` === name);
  const row = table && await site.rows.row(table, site.victim.id);
  return row?.id ?? site.victim.id;
}

/** A message with a false group that really waits in the queue. */
async function throughTheQueue(scratch: Scratch, site: Site, findings: Findings): Promise<void> {
  const id = await putJob(scratch, site, "attacker", UNKNOWN, {});
  await scratch.services.queue.send(TENANT_QUEUE.name, claims(site), { id, tenantId: site.attacker.id });
  findings.tries++;
  await scratch.work();
  const [row] = await site.admin`select status, tenant_id::text from tenant.jobs where id = ${id}`;
  if (row.status !== "failed" || row.tenant_id !== site.attacker.id) {
    findings.leak(`a queued job with a false payload ended as "${row.status}" of "${row.tenant_id}"`);
  }
}

async function untouched(_: Scratch, site: Site, id: string, findings: Findings, name: string): Promise<void> {
  const [row] = await site.admin`select status from tenant.jobs where id = ${id}`;
  if (row.status !== "queued") findings.leak(`${name}: it ran as "${row.status}"`);
}

/** What jobs wrote for the attacker holds nothing of the victim's but the ids that were sent. */
async function nothingOfTheVictim(site: Site, findings: Findings): Promise<void> {
  const values = await victimsValues(site);
  for (const table of site.tables) {
    const rows = await site.admin.unsafe(
      `select to_jsonb(t) - 'params' as row from ${table.name} t where tenant_id = $1`,
      [site.attacker.id],
    );
    const text = JSON.stringify(rows);
    findings.expect(
      !values.some((value) => text.includes(value)),
      `the attacker's ${table.name} holds a value of the victim's`,
    );
  }
}

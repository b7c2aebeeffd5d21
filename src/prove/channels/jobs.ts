// The queue: a job's tenant is the row's group and never what its payload says. Jobs whose payload, id or group name the
// victim must do nothing there, and nothing of the victim may come into the attacker's rows.
import { newId } from "../../db/ids.ts";
import { json } from "../../db/sql.ts";
import type { Handler } from "../../queue/queue.ts";
import { TENANT_QUEUE } from "../../tenancy/jobs.ts";
import { handlers } from "../../worker.ts";
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

/** Kinds of jobs with params that name the victim's rows, found among the rows that the API's operations make. */
const KINDS = ["invoices.run", "reports.usage", "prove.unknown"];

/** Runs them; `handle` may be a spoiled handler. */
export async function checkJobs(
  scratch: Scratch,
  _: ChannelOptions,
  over: { handle?: Handler } = {},
): Promise<ChannelResult> {
  const findings = new Findings("jobs");
  const site = sharedSite(scratch);
  const handle = over.handle ?? handlers(scratch.services).get(TENANT_QUEUE.name)!;
  const ids = { attacker: site.attacker.id, victim: site.victim.id, nobody: null };
  const waiting = new Map<string, string>();
  for (const message of MESSAGES.filter(({ row }) => row === "victim")) {
    waiting.set(message.name, await putJob(scratch, site, "victim", "prove.unknown", {}));
  }
  await unchanged(site, findings, async () => {
    for (const message of MESSAGES) {
      for (const kind of message.row === "attacker" ? KINDS : [""]) {
        const id = waiting.get(message.name) ??
          await putJob(scratch, site, "attacker", kind, await paramsOf(site, kind));
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
    userId: null,
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

/** Params of every name under which a job may look for an id, with the victim's. */
async function paramsOf(site: Site, kind: string): Promise<Record<string, unknown>> {
  const params: Record<string, unknown> = { tenant_id: site.victim.id };
  for (const table of site.tables) {
    const { id } = await site.rows.row(table, site.victim.id);
    if (id) params[`${table.name.replace(/^\w+\./, "").replace(/s$/, "")}_id`] = id;
  }
  return kind === "invoices.run" ? { month: "2011-12", meter_id: params.meter_id } : params;
}

/** A message with a false group that really waits in the queue. */
async function throughTheQueue(scratch: Scratch, site: Site, findings: Findings): Promise<void> {
  const id = await putJob(scratch, site, "attacker", "prove.unknown", {});
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

// The prover's channel of jobs goes through the worker's own list: a kind that is added later is tried by being there.
import assert from "node:assert/strict";
import { z } from "zod";
import { checkJobs } from "../../src/prove/channels/jobs.ts";
import { makeScratch, type Scratch } from "../../src/prove/scratch.ts";
import { type TenantJob, tenantJob } from "../../src/tenancy/jobs.ts";
import { KINDS } from "../../src/worker.ts";
import { loose, testGrounds } from "./stage.ts";

let scratch: Scratch;
Deno.test.beforeAll(async () => {
  scratch = await makeScratch(await testGrounds(), "t_jobs");
});
Deno.test.afterAll(() => scratch?.end());

/** Checks with one more kind of job than the worker knows. */
async function checkedWith(job: TenantJob) {
  return await checkJobs(scratch, { quick: true }, { kinds: new Map([...KINDS, [job.kind, job]]) });
}

async function victimsBuilding(): Promise<string> {
  const [site] = scratch.sites;
  const [{ id }] = await site.admin`select id from tenant.buildings where tenant_id = ${site.victim.id}`;
  return id;
}

const params = z.strictObject({ building_id: z.uuid(), month: z.string().regex(/^\d{4}-\d{2}$/), all: z.boolean() });

Deno.test(
  "checkJobs() runs every kind of job, also a new one, with the victim's ids in its params",
  loose,
  async () => {
    const seen = new Set<string>();
    const ran: z.output<typeof params>[] = [];
    const counted = new Map([...KINDS].map(([kind, job]): [string, TenantJob] => [kind, {
      ...job,
      run: (call) => (seen.add(kind), job.run(call)),
    }]));
    const added = tenantJob<z.output<typeof params>>({
      kind: "parking.count",
      params,
      run: (job) => Promise.resolve({ count: ran.push(job.params) }),
    });
    const { leaks } = await checkJobs(scratch, { quick: true }, { kinds: counted.set(added.kind, added) });
    assert.deepEqual(leaks, []);
    assert.deepEqual([...seen].sort(), [...KINDS.keys()].sort());
    assert.deepEqual(ran[0], { building_id: await victimsBuilding(), month: "2011-12", all: false });
  },
);

Deno.test("checkJobs() finds a new job that goes round the door", loose, async () => {
  const [site] = scratch.sites;
  const { leaks } = await checkedWith(tenantJob<z.output<typeof params>>({
    kind: "parking.rename",
    params,
    async run({ params }) {
      await site.admin`update tenant.buildings set city = city || '.' where id = ${params.building_id}`;
      return {};
    },
  }));
  assert.match(leaks.join("\n"), /rows of the victim in tenant\.buildings were changed/);
});

Deno.test("checkJobs() says so when it cannot make params that a job takes", loose, async () => {
  const job = tenantJob({ kind: "parking.odd", params: z.object({ code: z.string().regex(/^Q{7}$/) }), run: never });
  await assert.rejects(checkedWith(job), /Teach src\/prove\/operations\.ts/);
});

function never(): Promise<never> {
  throw new Error("It was run");
}

// `demo`: starts everything, tells the story step by step with timings, and serves until Ctrl-C.
// `--once` ends after the story, `--json` prints one JSON document and nothing else on standard output.
import type { Config } from "../config.ts";
import { type StoryResult, tellStory } from "../demo/story.ts";
import { CAST } from "../demo/cast.ts";
import { endProgram } from "../embedded/shutdown.ts";
import { databaseUrl, type Local, runFile, startLocal } from "./local.ts";
import { reasonOf } from "./reason.ts";

/** How the demo is run. */
export interface DemoOptions {
  config: Config;
  dir: string;
  once: boolean;
  json: boolean;
}

/** Runs the demo. Resolves when it serves (or, with `once`, when everything is stopped); never with a half story. */
export async function demo(options: DemoOptions): Promise<void> {
  const out = options.json ? (_: string) => {} : (line: string) => console.log(line);
  const started = performance.now();
  const steps: { step: string; ms: number; facts: string[] }[] = [];
  const tell = (step: string, ms: number, facts: string[]) => {
    steps.push({ step, ms: Math.round(ms), facts });
    out(`✔ ${step.padEnd(64)} ${String(Math.round(ms)).padStart(6)} ms`);
    for (const fact of facts) out(`    ${fact}`);
  };
  let failure: string | undefined;
  let local: Local | undefined;
  let result: Awaited<ReturnType<typeof tellStory>> | undefined;
  try {
    out("Bulkhead: three tenants in three tiers, on a real PostgreSQL\n");
    local = await startLocal({ config: options.config, dir: options.dir, say: out });
    tell("The platform starts", performance.now() - started, startFacts(local));
    result = await tellStory(local, tell);
    await announce(local, result.tenants);
  } catch (error) {
    failure = reasonOf(error);
    console.error(`\n✘ ${failure}`);
  }
  if (options.json) {
    const document = { ok: !failure, error: failure, ms: Math.round(performance.now() - started), steps, ...result };
    console.log(JSON.stringify({ ...document, ...(local && { url: local.url }) }, null, 2));
  }
  if (failure) await endProgram(1);
  if (options.once) await endProgram(0);
  if (local) out(await goodbye(local));
}

/** Adds the tenants to run.json: their administrators, and the run-time login of each one's placement. */
async function announce(local: Local, told: StoryResult["tenants"]): Promise<void> {
  const { directory, targets } = local.services;
  const tenants = await Promise.all(told.map(async ({ slug, tier, tenant_id: id }) => {
    const tenant = await directory.byId(id);
    const entering = { operation: "demo", requestId: "", readOnly: true };
    const { target } = await targets.context(tenant!, entering);
    const email = CAST.find((organisation) => organisation.slug === slug)!.admin.email;
    const password = await local.home.secrets.password(`demo-${slug}`);
    return { slug, tier, id, email, password, database: databaseUrl(target) };
  }));
  await local.home.writeRunFile({ ...runFile(local), tenants });
}

function startFacts(local: Local): string[] {
  const facts = Object.entries(local.timings).map(([part, ms]) => `${part}: ${ms} ms`);
  return [facts.join(", "), `PostgreSQL ${local.deployed?.serverVersion}, proof passed`];
}

/** Where everything is, and who can sign in. The passwords are this installation's own, made at its first start. */
async function goodbye(local: Local): Promise<string> {
  const people = await Promise.all(CAST.map(async ({ slug, tier, admin }) => {
    const password = await local.home.secrets.password(`demo-${slug}`);
    return `  ${slug.padEnd(18)} ${tier.padEnd(10)} ${admin.email.padEnd(28)} ${password}`;
  }));
  return `
Everything works. It serves until Ctrl-C:
  API documentation  ${local.url}/docs
  Mailbox            ${local.url}/dev/mail
  Tenants            ${local.url}/t/<slug>/v1/…  or  http://<slug>.localhost:${local.port}/v1/…
  Operator           ${local.operator.email}  ${local.operator.password}
Administrators of the tenants:
${people.join("\n")}
All of this, and the database URL of each login, for programs: ${local.home.dir}/run.json
`;
}

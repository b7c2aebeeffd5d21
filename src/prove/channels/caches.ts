// What processes keep in memory: the directory must give each spelling its own tenant or none, an entry that is stale must
// not open a closed tenant, and a remembered answer belongs to who asked first.
import { Directory, type TenantRecord } from "../../tenancy/directory.ts";
import type { Scratch } from "../scratch.ts";
import type { Site } from "../site.ts";
import { type ChannelOptions, type ChannelResult, Findings, sharedSite } from "./check.ts";

/** What is asked of a directory. */
export type Lookup = Pick<Directory, "bySlug" | "byId" | "byHost">;

/** Checks a directory; mutants give a spoiled one. */
export async function checkCaches(
  scratch: Scratch,
  _: ChannelOptions,
  over: { directory?: Lookup } = {},
): Promise<ChannelResult> {
  const findings = new Findings("caches");
  const site = sharedSite(scratch);
  const directory = over.directory ?? new Directory(scratch.services.doors);
  await spellings(directory, site, findings);
  await together(directory, scratch, findings);
  await staleEntry(scratch, site, findings);
  return findings.result();
}

/** Other spellings of the victim's slug, while it is in memory, and the other way round. */
async function spellings(directory: Lookup, { attacker, victim }: Site, findings: Findings): Promise<void> {
  const slug = victim.slug!;
  const asked: [string, () => Promise<TenantRecord | null>, string[]][] = [
    ["the slug", () => directory.bySlug(slug), [victim.id]],
    ["the attacker's slug", () => directory.bySlug(attacker.slug!), [attacker.id]],
    ["the slug in capitals", () => directory.bySlug(slug.toUpperCase()), [victim.id]],
    ["the id", () => directory.byId(victim.id), [victim.id]],
    ["the attacker's id", () => directory.byId(attacker.id), [attacker.id]],
    ["the id in capitals", () => directory.byId(victim.id.toUpperCase()), [victim.id]],
    ...[
      `${slug}.`,
      `${slug} `,
      ` ${slug}`,
      `${slug}\u200b`,
      slug.replace("o", "\u043e"),
      slug.replace("-", "\u2010"),
      `${slug}%00`,
      `id:${victim.id}`,
      `slug:${slug}`,
      `${attacker.slug},${slug}`,
      `${slug}/../${attacker.slug}`,
      slug.normalize("NFKD") + "\u0301",
      "__proto__",
      "constructor",
      "",
    ].map((
      text,
    ): [string, () => Promise<TenantRecord | null>, string[]] => [
      `the slug as ${JSON.stringify(text)}`,
      () => directory.bySlug(text),
      [],
    ]),
    ...[`slug:${slug}`, `${victim.id} `, `{${victim.id}}`, victim.id.replaceAll("-", ""), slug].map((
      text,
    ): [string, () => Promise<TenantRecord | null>, string[]] => [
      `the id as ${JSON.stringify(text)}`,
      () => directory.byId(text),
      [],
    ]),
    ["a host that is no tenant's", () => directory.byHost(`${slug}.example.test`), []],
    ["a host like a slug", () => directory.byHost(slug), []],
  ];
  for (let round = 0; round < 2; round++) {
    for (const [name, ask, expected] of asked) {
      const found = await ask().catch(() => null);
      findings.expect(
        found === null ? expected.length === 0 : expected.includes(found.id),
        `${name} gives "${found?.slug ?? "none"}"`,
      );
    }
  }
}

/** Everybody at once, so that look-ups in flight are shared: each must still get its own. */
async function together(directory: Lookup, scratch: Scratch, findings: Findings): Promise<void> {
  const tenants = scratch.sites.flatMap(({ attacker, victim }) => [attacker, victim]).filter(({ slug }) =>
    slug !== null
  );
  const asked = Array.from({ length: 8 }, () => tenants).flat();
  const found = await Promise.all(asked.map(({ slug }) => directory.bySlug(slug!).catch(() => null)));
  asked.forEach(({ id, slug }, i) =>
    findings.expect(found[i]?.id === id, `"${slug}" among others gives "${found[i]?.slug}"`)
  );
}

/** The directory still says that the tenant is open; its placement's gate knows better. */
async function staleEntry({ services }: Scratch, site: Site, findings: Findings): Promise<void> {
  const { directory, targets, doors } = services;
  const record = await directory.byId(site.victim.id);
  const gate = (open: boolean) => site.admin`update app.gates set open = ${open} where tenant_id = ${site.victim.id}`;
  const visit = async () => {
    const entering = { operation: "prove.caches", requestId: "", readOnly: true };
    return await doors.asTenant(await targets.context(record!, entering), (tx) => tx`select 1 from tenant.members`);
  };
  await gate(false);
  try {
    const code = await visit().then(() => "none", (error) => error.code);
    findings.expect(code === "tenant_unavailable", `a closed tenant was entered by a stale entry (${code})`);
  } finally {
    await gate(true);
  }
  const code = await visit().then(() => "none", (error) => error.code);
  findings.expect(code === "none", `a tenant that is open again was refused (${code})`);
}

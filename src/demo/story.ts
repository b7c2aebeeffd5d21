// The demo's story, told through the API: three organisations apply, are approved and provisioned into three tiers, their
// people sign in, real meter data goes in, a queued job bills it, and nobody sees anybody else's rows.
// It can be told again on kept data: what exists is found and not made twice.
import type { Local } from "../cli/local.ts";
import { signInAdmin } from "./admin.ts";
import { application, CAST, type Organisation } from "./cast.ts";
import { Client } from "./client.ts";
import { checkIsolation, type IsolationResult } from "./isolation.ts";
import { signInOperator } from "./operator.ts";

/** How the sample file is to be read. */
export const MAPPING = {
  timestamp: { column: "DateTime", format: "MM/DD/YYYY HH:mm:ss", zone: "America/Toronto", midnight: "end_of_day" },
  value: { column: "Consumption kWh" },
  zones: { off_peak: "Off-peak", mid_peak: "Mid-peak", on_peak: "On-peak" },
};

const MONTH = "2011-12";
const SAMPLE = new URL("../../sample/electricity-usage.csv", import.meta.url);

/** One organisation in the story, as it goes on. */
export interface Chapter extends Organisation {
  tenantId: string;
  token: string;
  password: string;
  meterId: string;
  existed: boolean;
  placement: { server: string; database: string };
  provisioning_ms: number | null;
  // deno-lint-ignore no-explicit-any -- what the API answered
  steps: any[];
}

/** Tells of a step: its name, how long it took, what came out. */
export type Tell = (step: string, ms: number, facts: string[]) => void;

/** Everything that the story found out. */
export interface StoryResult {
  tenants: {
    slug: string;
    name: string;
    tier: string;
    tenant_id: string;
    placement: Chapter["placement"];
    provisioning_ms: number | null;
    existed: boolean;
  }[];
  imports: { slug: string; lines: number; accepted: number; unchanged: number; rejected: number; ms: number }[];
  // deno-lint-ignore no-explicit-any -- as the API gives them
  invoices: { slug: string; month: string; total: string; subtotal: string; currency: string; items: any[] }[];
  reports: { slug: string; csv_bytes: number; json_bytes: number }[];
  isolation: IsolationResult;
}

/** Tells the story. Throws at the first step that fails. */
export async function tellStory(local: Local, tell: Tell): Promise<StoryResult> {
  const client = new Client(local.url);
  const timed = async <T>(step: string, work: () => Promise<[T, string[]]>): Promise<T> => {
    const started = performance.now();
    const [result, facts] = await work();
    tell(step, performance.now() - started, facts);
    return result;
  };
  const operator = await timed("The operator signs in", async () => {
    return [await signInOperator(client, local), [local.operator.email]];
  });
  const chapters: Chapter[] = [];
  for (const organisation of CAST) {
    chapters.push(
      await timed(`${organisation.name} becomes a tenant`, () => becomeTenant(local, client, operator, organisation)),
    );
  }
  for (const chapter of chapters) {
    await timed(`${chapter.name} sets up a building, a flat, a renter and a meter`, () => furnish(client, chapter));
  }
  const result: StoryResult = { tenants: [], imports: [], invoices: [], reports: [], isolation: null! };
  for (const chapter of chapters) {
    result.tenants.push(summary(chapter));
    result.imports.push(await timed(`${chapter.name} imports its readings`, () => importReadings(client, chapter)));
    result.invoices.push(await timed(`${chapter.name} bills ${MONTH}`, () => bill(client, chapter)));
    result.reports.push(await timed(`${chapter.name} has a report made`, () => report(client, chapter)));
  }
  result.isolation = await timed("Nobody sees anybody else's rows", async () => {
    const isolation = await checkIsolation(local, client, chapters);
    return [isolation, [
      `${isolation.http.calls} HTTP calls with foreign ids, headers and hosts: ${isolation.http.leaks} rows seen`,
      `${isolation.sql.attempts} SQL attempts as the run-time logins: ${isolation.sql.rows} rows seen`,
    ]];
  });
  return result;
}

function summary(chapter: Chapter): StoryResult["tenants"][number] {
  const { slug, name, tier, tenantId, placement, provisioning_ms, existed } = chapter;
  return { slug, name, tier, tenant_id: tenantId, placement, provisioning_ms, existed };
}

/** Applies, is approved and provisioned, sets the password by the mailed link, signs in; or just signs in. */
export async function becomeTenant(
  local: Local,
  client: Client,
  operator: string,
  who: Organisation,
): Promise<[Chapter, string[]]> {
  const password = await local.home.secrets.password(`demo-${who.slug}`);
  const known = await client.list(`/v1/tenants?search=${who.slug}`, { token: operator });
  const existed = known.some((tenant: { slug: string }) => tenant.slug === who.slug);
  const provisioned = existed ? null : await provision(local, client, operator, who, password);
  const token = await signInAdmin(client, who, password);
  const me = await client.call("GET", "/v1/auth/me", { token });
  const tenant = await client.call("GET", `/v1/tenants/${me.tenant.id}`, { token: operator });
  const placement = {
    server: `${tenant.placement.host}:${tenant.placement.port}`,
    database: tenant.placement.database as string,
  };
  const chapter: Chapter = {
    ...who,
    tenantId: me.tenant.id,
    token,
    password,
    existed,
    placement,
    meterId: "",
    provisioning_ms: provisioned?.ms ?? null,
    steps: provisioned?.steps ?? [],
  };
  const where = `${who.tier}: database "${placement.database}" on ${placement.server}`;
  return [chapter, [
    where,
    provisioned ? `approved to usable in ${Math.round(provisioned.ms)} ms` : "kept from an earlier run",
  ]];
}

async function provision(local: Local, client: Client, operator: string, who: Organisation, password: string) {
  const body = application(who, local.customer);
  const applied = await client.ask("POST", "/v1/applications", { body });
  const { id } = applied.status === 201
    ? applied.body
    : await findApplication(client, operator, who.slug, applied.text);
  const path = `/v1/applications/${id}`;
  const started = performance.now();
  const review = { tier: who.tier, notes: "Approved by the demo" };
  await client.ask("POST", `${path}/approve`, { token: operator, body: review });
  const done = await client.until(`the tenant "${who.slug}"`, async () => {
    const application = await client.call("GET", path, { token: operator });
    if (application.status === "failed") throw new Error(`Provisioning failed: ${application.failure}`);
    return application.status === "provisioned" && application;
  });
  const ms = performance.now() - started;
  const mails = async () => (await client.call("GET", "/dev/mail", { headers: { accept: "application/json" } })).items;
  const token = await client.until("the mail with the link", async () => {
    const mail = (await mails()).find((item: { to: string }) => item.to === who.admin.email);
    return /token=([\w.-]+)/.exec(mail?.text ?? "")?.[1];
  });
  await client.call("POST", "/v1/auth/setup-password", { tenant: who.slug, body: { token, password } });
  return { ms, steps: done.steps };
}

/** An application that an interrupted run sent already. */
async function findApplication(client: Client, operator: string, slug: string, refusal: string) {
  const found = await client.list(`/v1/applications?search=${slug}`, { token: operator });
  const application = found.find((item: { slug: string }) => item.slug === slug);
  if (!application) throw new Error(`The application of "${slug}" was refused: ${refusal}`);
  return application;
}

/** Sets up what a meter needs. */
export async function furnish(client: Client, chapter: Chapter): Promise<[null, string[]]> {
  const { token } = chapter;
  const serial = `E-${chapter.slug}`;
  const [meter] = await client.list(`/v1/meters?search=${serial}`, { token });
  if (meter) {
    chapter.meterId = meter.id;
    return [null, ["kept from an earlier run"]];
  }
  const make = (path: string, body: unknown) =>
    client.call("POST", path, { token, body, idempotencyKey: `demo-${chapter.slug}-${path}` });
  const building = await make("/v1/buildings", {
    name: chapter.building,
    address: "1 Front Street",
    city: "Toronto",
    country: "CA",
  });
  const property = await make("/v1/properties", { building_id: building.id, label: "Flat 1", area_m2: "54.5" });
  await make("/v1/renters", {
    property_id: property.id,
    first_name: "Robin",
    last_name: "Renter",
    lease_starts_on: "2011-11-01",
  });
  const [tariff] = await client.list("/v1/tariffs", { token });
  const made = await make("/v1/meters", {
    property_id: property.id,
    serial_number: serial,
    utility: "electricity",
    unit: "kWh",
    time_zone: "America/Toronto",
    tariff_id: tariff.id,
  });
  chapter.meterId = made.id;
  return [null, [`building "${chapter.building}", meter "${serial}", tariff "${tariff.name}"`]];
}

async function importReadings(client: Client, chapter: Chapter): Promise<[StoryResult["imports"][number], string[]]> {
  const query = `mapping=${encodeURIComponent(JSON.stringify(MAPPING))}&file_name=electricity-usage.csv`;
  const path = `/v1/meters/${chapter.meterId}/readings/import?${query}`;
  const send = async () => {
    const file = await Deno.open(SAMPLE);
    return await client.call("POST", path, {
      token: chapter.token,
      upload: { type: "text/csv", stream: file.readable },
    });
  };
  const started = performance.now();
  const { lines, accepted, unchanged, rejected } = await send();
  const ms = performance.now() - started;
  const again = await send();
  if (again.accepted !== 0 || again.unchanged !== lines) throw new Error("The same file changed something");
  const facts = [
    `${lines} lines: ${accepted} accepted, ${unchanged} unchanged, ${rejected} rejected`,
    "the same file again changed nothing",
  ];
  return [{ slug: chapter.slug, lines, accepted, unchanged, rejected, ms }, facts];
}

async function bill(client: Client, chapter: Chapter): Promise<[StoryResult["invoices"][number], string[]]> {
  const { token } = chapter;
  const queued = await client.call("POST", "/v1/invoices/run", { token, body: { month: MONTH } });
  await client.job(token, queued.job_id);
  const [listed] = await client.list(`/v1/invoices?month=${MONTH}`, { token });
  const invoice = await client.call("GET", `/v1/invoices/${listed.id}`, { token });
  const { subtotal, total, currency, items } = invoice;
  const lines = items.map((item: Record<string, string>) => `${item.zone} ${item.quantity} kWh × ${item.unit_price}`);
  return [{ slug: chapter.slug, month: MONTH, total, subtotal, currency, items }, [
    ...lines,
    `${subtotal} → ${total} ${currency}`,
  ]];
}

async function report(client: Client, chapter: Chapter): Promise<[StoryResult["reports"][number], string[]]> {
  const { token } = chapter;
  const made = await client.call("POST", "/v1/reports", { token, body: { kind: "usage", month: MONTH } });
  await client.job(token, made.job_id);
  const download = (format: string) => client.ask("GET", `/v1/reports/${made.id}/download?format=${format}`, { token });
  const [csv, json] = [await download("csv"), await download("json")];
  if (csv.status !== 200 || json.status !== 200) throw new Error(`The report could not be downloaded: ${csv.text}`);
  const bytes = { csv_bytes: csv.text.length, json_bytes: json.text.length };
  return [{ slug: chapter.slug, ...bytes }, [`CSV ${bytes.csv_bytes} bytes, JSON ${bytes.json_bytes} bytes`]];
}

// Billing and reports over HTTP. The sample's months are reckoned here a second time, by other means.
import assert from "node:assert/strict";
import { publish } from "../../src/platform/reference/jobs.ts";
import { putProvider } from "../../src/platform/reference/queries.ts";
import { createReport } from "../../src/tenant/reports/queries.ts";
import { bootApp } from "../support/app.ts";
import { billed, importFile, made, madeMeter, madeProperty, SAMPLE_TARIFF, sampleFile } from "../support/metering.ts";

const app = await bootApp();
const tenant = await app.tenant("billers");
const { admin } = tenant;
Deno.test.afterAll(() => app.stop());

const TIMES = { timestamp: { column: "t", format: "YYYY-MM-DD HH:mm" }, value: { column: "v" } };
const BY_ZONE = { ...TIMES, zone: { column: "z" } };

/** Tariffs of this file: one whose price changes within a month, and one that ends. */
const [CHANGING, CHANGED, ENDED] = ["8a01", "8a02", "8a03"].map((end) => `01890a5d-ac96-774b-bcce-b3020000${end}`);
await app.services.doors.asPlatform(
  { actor: "system", operation: "test", requestId: "", readOnly: false },
  (tx) => {
    const tariff = { utility: "electricity" as const, currency: "EUR", unit: "kWh" };
    return putProvider(tx, {
      id: "01890a5d-ac96-774b-bcce-b30200008a00",
      name: "Test utility",
      country: "LT",
      tariffs: [
        {
          ...tariff,
          id: CHANGING,
          name: "Flat",
          validFrom: "2011-01-01",
          validTo: "2011-12-16",
          zones: { flat: "0.125" },
        },
        { ...tariff, id: CHANGED, name: "Flat", validFrom: "2011-12-16", validTo: null, zones: { flat: "0.25" } },
        { ...tariff, id: ENDED, name: "Old", validFrom: "2011-01-01", validTo: "2011-12-02", zones: { flat: "1" } },
      ],
    });
  },
);
await publish(app.services);

async function invoiceOf(meterId: string, month: string) {
  const { body } = await app.ask("GET", `/v1/invoices?meter_id=${meterId}&month=${month}`, { token: admin });
  if (body.items.length === 0) return null;
  return (await app.ask("GET", `/v1/invoices/${body.items[0].id}`, { token: admin })).body;
}

/** A month of the sample in hundredths of a kWh and thousandths of a cent, from the text of the file alone. */
function reckon(text: string, month: string) {
  const prices = [62n, 92n, 108n]; // thousandths of a dollar
  const kwh = [0n, 0n, 0n];
  for (const line of text.split("\r\n").slice(1)) {
    const [time, value, ...flags] = line.split(",");
    if (`${time.slice(6, 10)}-${time.slice(0, 2)}` !== month) continue;
    kwh[flags.indexOf("1")] += BigInt(Math.round(Number(value) * 100));
  }
  const exact = kwh.reduce((sum, use, zone) => sum + use * prices[zone], 0n); // hundred-thousandths of a dollar
  const cents = (exact + 500n) / 1000n;
  return {
    kwh: kwh.map((use) => Number(use) / 100),
    exact: Number(exact) / 1e5,
    total: (Number(cents) / 100).toFixed(2),
  };
}

Deno.test("invoices.run bills every month of the sample as it comes to when reckoned by hand", async () => {
  const meter = await madeMeter(app, admin);
  const text = await sampleFile();
  await importFile(app, admin, meter.id, text);
  for (const month of ["2011-11", "2011-12", "2012-01", "2012-02", "2012-03"]) {
    const result = await billed(app, admin, { month, meter_id: meter.id });
    assert.deepEqual(result, { month, invoices: 1, unchanged: 0, problems: [], problems_total: 0 });
    const { kwh, exact, total } = reckon(text, month);
    const invoice = await invoiceOf(meter.id, month);
    const quantity = (zone: string) => invoice.items.find((item: { zone: string }) => item.zone === zone)?.quantity;
    assert.deepEqual(["off_peak", "mid_peak", "on_peak"].map(quantity).map(Number), kwh, month);
    assert.deepEqual([Number(invoice.subtotal), invoice.total, invoice.currency], [exact, total, "CAD"], month);
  }
  const december = await invoiceOf(meter.id, "2011-12");
  assert.deepEqual([december.subtotal, december.total], ["25.7541", "25.75"]);
  assert.deepEqual(december.items, [
    { zone: "mid_peak", quantity: "55.41", unit_price: "0.092", amount: "5.09772" },
    { zone: "off_peak", quantity: "241.35", unit_price: "0.062", amount: "14.9637" },
    { zone: "on_peak", quantity: "52.71", unit_price: "0.108", amount: "5.69268" },
  ]);
});

Deno.test("invoices.run changes nothing when run again, and only the invoice whose readings changed", async () => {
  const meters = [await madeMeter(app, admin), await madeMeter(app, admin)];
  for (const meter of meters) {
    await importFile(app, admin, meter.id, "t,v,z\n2010-12-05 10:00,1,off_peak\n", { mapping: BY_ZONE });
  }
  await Promise.all(
    meters.map((meter) => app.ask("PATCH", `/v1/meters/${meter.id}`, { token: admin, body: { tariff_id: CHANGING } })),
  );
  const mapping = { ...TIMES, zone: { always: "flat" } };
  for (const meter of meters) await importFile(app, admin, meter.id, "t,v\n2011-02-05 10:00,1\n", { mapping });
  const month = "2011-02";
  assert.equal((await billed(app, admin, { month })).invoices, 2);
  const before = await Promise.all(meters.map((meter) => invoiceOf(meter.id, month)));
  assert.deepEqual(await billed(app, admin, { month }), {
    month,
    invoices: 0,
    unchanged: 2,
    problems: [],
    problems_total: 0,
  });
  await importFile(app, admin, meters[1].id, "t,v\n2011-02-05 11:00,2\n", { mapping });
  assert.deepEqual(await billed(app, admin, { month }), {
    month,
    invoices: 1,
    unchanged: 1,
    problems: [],
    problems_total: 0,
  });
  const after = await Promise.all(meters.map((meter) => invoiceOf(meter.id, month)));
  assert.deepEqual(after[0], before[0]);
  assert.deepEqual([after[1].id, after[1].number, after[1].subtotal], [before[1].id, before[1].number, "0.375"]);
});

Deno.test("invoices.run rounds half-up once an invoice, and prices each day by the version of the tariff that holds", async () => {
  const meter = await madeMeter(app, admin, { tariff_id: CHANGED });
  const mapping = { ...TIMES, zone: { always: "flat" } };
  await importFile(app, admin, meter.id, "t,v\n2011-12-15 12:00,0.2\n2011-12-16 00:00,0.4\n2011-12-16 12:00,0.2\n", {
    mapping,
  });
  await billed(app, admin, { month: "2011-12", meter_id: meter.id });
  const invoice = await invoiceOf(meter.id, "2011-12");
  assert.deepEqual(invoice.items, [
    { zone: "flat", quantity: "0.6", unit_price: "0.125", amount: "0.075" },
    { zone: "flat", quantity: "0.2", unit_price: "0.25", amount: "0.05" },
  ]);
  assert.deepEqual([invoice.subtotal, invoice.total], ["0.125", "0.13"]);
});

Deno.test("invoices.run makes no invoice where a reading cannot be priced, and says for each meter why", async () => {
  const month = "2012-06";
  const rows = "t,v,z\n2012-06-01 10:00,1,off_peak\n2012-06-02 10:00,1,";
  const cases: [string, Record<string, unknown>, string, RegExp][] = [
    ["no_tariff", { tariff_id: null }, "off_peak", /no tariff/],
    ["tariff_mismatch", { utility: "gas", unit: "m3" }, "off_peak", /another utility or unit/],
    ["tariff_not_valid", { tariff_id: ENDED }, "flat", /not valid on 2012-06-01/],
    ["no_zone", {}, "", /without a zone: 1, the first on 2012-06-02/],
    ["unknown_zone", {}, "night", /no price for the zone "night"; readings in it: 1/],
  ];
  const expected = new Map<string, [string, RegExp]>();
  for (const [problem, fields, zone, detail] of cases) {
    const meter = await madeMeter(app, admin, fields);
    await importFile(app, admin, meter.id, rows + zone, { mapping: BY_ZONE });
    expected.set(meter.serial_number, [problem, detail]);
  }
  const good = await madeMeter(app, admin);
  await importFile(app, admin, good.id, rows + "on_peak", { mapping: BY_ZONE });
  const result = await billed(app, admin, { month });
  assert.deepEqual([result.invoices, result.problems_total, result.problems.length], [1, 5, 5]);
  for (const { serial_number, problem, detail, meter_id } of result.problems) {
    const [wanted, sentence] = expected.get(serial_number)!;
    assert.equal(problem, wanted);
    assert.match(detail, sentence);
    assert.equal(await invoiceOf(meter_id, month), null);
  }
  assert.equal((await invoiceOf(good.id, month)).total, "0.17");
});

Deno.test("invoices.run numbers invoices without gaps and names who rented at the end of the month", async () => {
  const property = await madeProperty(app, admin);
  const renter = (first_name: string, lease: Record<string, string>) =>
    made(app, admin, "/v1/renters", { property_id: property.id, first_name, last_name: "Renter", ...lease });
  await renter("Before", { lease_starts_on: "2010-01-01", lease_ends_on: "2012-07-20" });
  const now = await renter("Now", { lease_starts_on: "2012-07-21" });
  await renter("Later", { lease_starts_on: "2012-08-01" });
  const meter = await madeMeter(app, admin, { property_id: property.id });
  await importFile(app, admin, meter.id, "t,v,z\n2012-07-01 10:00,1,off_peak\n", { mapping: BY_ZONE });
  await billed(app, admin, { month: "2012-07" });
  assert.equal((await invoiceOf(meter.id, "2012-07")).renter_id, now.id);
  const { body } = await app.ask("GET", "/v1/invoices?limit=200&sort=number", { token: admin });
  assert.deepEqual(
    body.items.map((row: { number: number }) => row.number),
    body.items.map((_: unknown, i: number) => i + 1),
  );
  assert.equal((await app.ask("DELETE", `/v1/renters/${now.id}`, { token: admin })).body.code, "still_referenced");
});

Deno.test("invoices.run gives one job for one Idempotency-Key, refuses bad months, foreign meters and members", async () => {
  const headers = { "idempotency-key": crypto.randomUUID() };
  const body = { month: "2011-12" };
  const answers = [];
  for (let i = 0; i < 2; i++) answers.push(await app.ask("POST", "/v1/invoices/run", { token: admin, body, headers }));
  assert.deepEqual(answers.map((answer) => answer.status), [202, 202]);
  assert.equal(answers[0].body.job_id, answers[1].body.job_id);
  for (const month of ["2011-13", "2011-1", "december", 201112, ""]) {
    assert.equal((await app.ask("POST", "/v1/invoices/run", { token: admin, body: { month } })).status, 400);
  }
  const foreign = { month: "2011-12", meter_id: crypto.randomUUID() };
  assert.equal((await app.ask("POST", "/v1/invoices/run", { token: admin, body: foreign })).status, 404);
  const member = await app.memberToken(tenant, "member");
  assert.equal((await app.ask("POST", "/v1/invoices/run", { token: member, body })).status, 403);
  assert.equal((await app.ask("GET", "/v1/invoices", { token: member })).status, 200);
});

Deno.test("tariffs.list shows versions with provider and prices, by utility and by day", async () => {
  const list = async (query: string) => (await app.ask("GET", `/v1/tariffs?${query}`, { token: admin })).body.items;
  const sample = (await list("utility=electricity")).find((row: { id: string }) => row.id === SAMPLE_TARIFF);
  assert.equal(sample.provider.country, "CA");
  assert.deepEqual(sample.zones.map((zone: { price: string }) => zone.price), ["0.092", "0.062", "0.108"]);
  assert.equal((await list("utility=water")).length, 0);
  const valid = (await list("valid_on=2011-12-16")).map((row: { id: string }) => row.id);
  assert.deepEqual([CHANGING, CHANGED, ENDED].map((id) => valid.includes(id)), [false, true, false]);
});

Deno.test("reports.create writes the usage as CSV and JSON, with cells that a spreadsheet would run escaped", async () => {
  const meter = await madeMeter(app, admin, { serial_number: '=cmd|"x",1' });
  await importFile(app, admin, meter.id, await sampleFile());
  const report = await made(app, admin, "/v1/reports", { kind: "usage", month: "2011-12", meter_id: meter.id });
  assert.deepEqual(report.params, { from: "2011-12-01", to: "2011-12-31", meter_id: meter.id });
  assert.deepEqual((await app.job(admin, report.job_id)).result, { report_id: report.id, rows: 71 });
  const { body: ready } = await app.ask("GET", `/v1/reports/${report.id}`, { token: admin });
  assert.equal(ready.status, "ready");
  const csv = await app.ask("GET", `/v1/reports/${report.id}/download`, { token: admin });
  assert.match(csv.headers.get("content-disposition")!, /^attachment; filename="usage-2011-12-01-2011-12-31.csv"$/);
  assert.equal(csv.headers.get("cache-control"), "private, no-store");
  const lines = csv.body.trimEnd().split("\r\n");
  assert.equal(lines.length, 72);
  assert.match(lines[1], new RegExp(`,${meter.id},"'=cmd\\|""x"",1",electricity,kWh,2011-12-01,mid_peak,3.02,6$`));
  const json = await app.ask("GET", `/v1/reports/${report.id}/download?format=json`, { token: admin });
  assert.equal(json.body.rows.length, 71);
  assert.deepEqual(
    Object.fromEntries(json.body.totals.map((row: { zone: string; quantity: string }) => [row.zone, row.quantity])),
    {
      mid_peak: "55.41",
      off_peak: "241.35",
      on_peak: "52.71",
    },
  );
  const size = (format: string) => ready.files.find((file: { format: string }) => file.format === format).bytes;
  assert.equal(new TextEncoder().encode(csv.body).length, size("csv"));
});

Deno.test("reports.download answers 409 until the report is ready, and 404 to another tenant", async () => {
  const record = await app.services.directory.byId(tenant.id);
  const entering = { operation: "test", requestId: "", readOnly: false };
  const { body: me } = await app.ask("GET", "/v1/auth/me", { token: admin });
  const context = await app.services.targets.context(record!, entering);
  const period = { from: "2011-12-01", to: "2011-12-01" };
  const report = await app.services.doors.asTenant(
    context,
    (tx) => createReport(tx, "usage", period, me.id ?? me.member.id),
  );
  const early = await app.ask("GET", `/v1/reports/${report.id}/download`, { token: admin });
  assert.deepEqual([early.status, early.body.code], [409, "invalid_state"]);
  const other = await app.tenant("onlookers");
  for (const path of [`/v1/reports/${report.id}`, `/v1/reports/${report.id}/download`]) {
    assert.equal((await app.ask("GET", path, { token: other.admin })).status, 404);
  }
  assert.deepEqual((await app.ask("GET", "/v1/reports", { token: other.admin })).body.items, []);
});

Deno.test("reports.create refuses periods that are missing, doubled, backwards or too long", async () => {
  const periods = [
    {},
    { from: "2011-12-01" },
    { month: "2011-12", from: "2011-12-01", to: "2011-12-02" },
    { month: "2011-12", to: "2011-12-02" },
    { from: "2011-12-02", to: "2011-12-01" },
    { from: "2011-01-01", to: "2012-12-31" },
    { from: "2011-02-30", to: "2011-03-01" },
  ];
  for (const period of periods) {
    const answer = await app.ask("POST", "/v1/reports", { token: admin, body: { kind: "usage", ...period } });
    assert.equal(answer.status, 400, JSON.stringify(answer.body));
  }
});

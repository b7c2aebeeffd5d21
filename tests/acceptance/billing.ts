// Readings in, invoices and reports out: what is imported, what is refused line by line, and that the sums are those that
// are reckoned here from the file.
import assert from "node:assert/strict";
import type { Client } from "./client.ts";
import { listed } from "./records.ts";
import { MAPPING, reckon, SAMPLE } from "./reckoning.ts";
import type { Tenant } from "./tenants.ts";

const MONTHS = ["2011-11", "2011-12", "2012-01", "2012-02", "2012-03"];
const CSV = Deno.readTextFileSync(SAMPLE);
const LINES = CSV.trim().split(/\r?\n/);
const HEADER = LINES[0];

/** What an import is called with. */
function importPath(meterId: string, mapping: unknown = MAPPING, more = ""): string {
  return `/v1/meters/${meterId}/readings/import?mapping=${encodeURIComponent(JSON.stringify(mapping))}${more}`;
}

/** The steps, on one tenant that has a property. */
export async function billing(t: Deno.TestContext, client: Client, tenant: Tenant, propertyId: string): Promise<void> {
  const { token } = tenant;
  const tariffs = await client.walk("/v1/tariffs", token, 1);
  const tariff = tariffs.rows.find((row) => row.currency === "CAD");
  assert.deepEqual(tariff.zones, [
    { zone: "mid_peak", price: "0.092" },
    { zone: "off_peak", price: "0.062" },
    { zone: "on_peak", price: "0.108" },
  ]);
  const meter = async (serial_number: string) =>
    (await client.expect(201, "POST", "/v1/meters", {
      token,
      body: { ...METER, serial_number, property_id: propertyId, tariff_id: tariff.id },
    })).id as string;
  const main = await meter("BILLED");
  const renter = { property_id: propertyId, first_name: "Ann", last_name: "Billed", lease_starts_on: "2011-11-01" };
  const { id: renterId } = await client.expect(201, "POST", "/v1/renters", { token, body: renter });

  await t.step("the sample file goes in once", () => imported(client, token, main));
  await t.step("readings are listed page by page, by time and by zone", () => readings(client, token, main));
  await t.step("broken lines are named, and cost themselves only", () => broken(client, token, meter));
  await t.step("a mapping that does not fit stores nothing", () => wrongMapping(client, token, meter));
  await t.step("every month comes to what the file says", () => invoices(client, token, main, renterId));
  await t.step("totals are rounded half-up, once", () => rounding(client, token, meter));
  await t.step("a report is written and downloaded as CSV and JSON", () => report(client, token, main));
}

const METER = { utility: "electricity", unit: "kWh", time_zone: "America/Toronto" };

async function imported(client: Client, token: string, meterId: string): Promise<void> {
  const path = importPath(meterId, MAPPING, "&file_name=usage.csv");
  const first = await client.expect(200, "POST", path, { token, csv: CSV });
  assert.deepEqual([first.lines, first.accepted, first.unchanged, first.rejected], [2712, 2712, 0, 0]);
  const again = await client.expect(200, "POST", path, { token, csv: CSV });
  assert.deepEqual([again.lines, again.accepted, again.unchanged, again.rejected], [2712, 0, 2712, 0]);
  const other = CSV.replace(",0.39,", ",0.40,");
  const conflict = await client.expect(200, "POST", path, { token, csv: other });
  assert.deepEqual([conflict.accepted, conflict.unchanged, conflict.rejected], [0, 2711, 1]);
  assert.deepEqual(conflict.errors.map((error: { line: number }) => error.line), [2]);
  const { items: [first_reading] } = await client.expect(200, "GET", `/v1/meters/${meterId}/readings?limit=1`, {
    token,
  });
  assert.equal(first_reading.value, "0.39");
  const replaced = await client.expect(200, "POST", `${path}&on_conflict=replace`, { token, csv: other });
  assert.deepEqual([replaced.accepted, replaced.unchanged], [1, 2711]);
  await client.expect(200, "POST", `${path}&on_conflict=replace`, { token, csv: CSV });
}

async function readings(client: Client, token: string, meterId: string): Promise<void> {
  const path = `/v1/meters/${meterId}/readings`;
  const { rows, pages } = await client.walk(path, token);
  assert.deepEqual([rows.length, pages], [2712, 14]);
  // 25 November 2011, 01:00 in Toronto; and the hour that ends the day as it was written.
  assert.deepEqual([rows[0].ends_at, rows[0].billing_day], ["2011-11-25T06:00:00.000Z", "2011-11-25"]);
  assert.deepEqual([rows[23].ends_at, rows[23].billing_day], ["2011-11-26T05:00:00.000Z", "2011-11-25"]);
  await listed(client, token, `${path}?from=2011-12-24T05:00:00Z&to=2011-12-24T13:00:00Z`, "ends_at", 8);
  const { rows: peak } = await client.walk(`${path}?zone=on_peak`, token);
  const expected = LINES.filter((line) => line.endsWith(",0,0,1")).length;
  assert.equal(peak.length, expected);
  await client.refused(404, "not_found", "GET", `/v1/meters/${crypto.randomUUID()}/readings`, { token });
}

async function broken(client: Client, token: string, meter: (serial: string) => Promise<string>): Promise<void> {
  const lines = [
    HEADER,
    "12/01/2011 01:00:00,1.5,1,0,0", // 2
    "not a time,1.5,1,0,0",
    "12/01/2011 02:00:00,much,1,0,0",
    "12/01/2011 03:00:00,1.5,1,1,0", // 5: two zones
    "12/01/2011 04:00:00,1.5,0,0,0", // no zone
    "12/01/2011 05:00:00,-1,1,0,0",
    "12/01/2011 06:00:00,1.5,1,0", // a cell short
    '12/01/2011 07:00:00,"1.5,1,0,0', // 9: a quote that does not end
    "03/11/2012 02:30:00,1.5,1,0,0", // the hour that the clocks skip
    "02/30/2012 01:00:00,1.5,1,0,0",
    "12/01/2011 08:00:00,2.25,0,1,0", // 12
    "12/01/2011 01:00:00,9.5,1,0,0", // the time of line 2, another value
    "12/01/2011 01:00:00,1.5,1,0,0", // line 2 again
    "12/01/2011 09:00:00,0.12345,1,0,0",
    "12/01/2011 10:00:00,1.5\u0000,1,0,0",
    "",
    "12/01/2011 00:00:00,0.75,0,0,1", // 18
  ];
  const id = await meter("BROKEN");
  const result = await client.expect(200, "POST", importPath(id), { token, csv: lines.join("\r\n") });
  const numbers = result.errors.map((error: { line: number }) => error.line);
  assert.deepEqual(numbers, [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 16]);
  assert.deepEqual([result.lines, result.accepted, result.unchanged, result.rejected], [16, 3, 1, 12]);
  const reasons = Object.fromEntries(
    result.errors.map((error: { line: number; reason: string }) => [error.line, error.reason]),
  );
  assert.match(reasons[3], /"not a time" is not a time written as/);
  assert.match(reasons[4], /"much" is not a number/);
  assert.match(reasons[5], /off_peak.*mid_peak/);
  assert.match(reasons[8], /4 cells/);
  assert.match(reasons[9], /quoted cell is not closed/);
  assert.match(reasons[10], /clocks skip/);
  assert.match(reasons[13], /line 2/);
  const { rows } = await client.walk(`/v1/meters/${id}/readings`, token);
  assert.deepEqual(rows.map((row) => [row.value, row.zone]), [["1.5", "off_peak"], ["2.25", "mid_peak"], [
    "0.75",
    "on_peak",
  ]]);
  assert.deepEqual(rows.map((row) => row.billing_day), ["2011-12-01", "2011-12-01", "2011-12-01"]);
}

async function wrongMapping(client: Client, token: string, meter: (serial: string) => Promise<string>): Promise<void> {
  const id = await meter("MAPPED");
  const wrong = [
    { ...MAPPING, value: { column: "Verbrauch" } },
    { ...MAPPING, timestamp: { ...MAPPING.timestamp, format: "DD.MM.YYYY HH:mm" } },
    { ...MAPPING, timestamp: { ...MAPPING.timestamp, format: "month first" } },
    { ...MAPPING, timestamp: { ...MAPPING.timestamp, zone: "Mars/Olympus" } },
    { ...MAPPING, delimiter: ";" },
    { ...MAPPING, value: { column: 9 } },
  ];
  for (const mapping of wrong) {
    await client.refused(422, "unprocessable", "POST", importPath(id, mapping), { token, csv: CSV });
  }
  await client.refused(422, "unprocessable", "POST", importPath(id), { token, csv: "" });
  const malformed = [{}, [], { ...MAPPING, extra: 1 }, { ...MAPPING, delimiter: "ab" }, { ...MAPPING, skip_lines: -1 }];
  for (const mapping of malformed) {
    await client.refused(400, "invalid_request", "POST", importPath(id, mapping), { token, csv: CSV });
  }
  const path = `/v1/meters/${id}/readings`;
  await client.refused(400, "invalid_request", "POST", `${path}/import?mapping={`, { token, csv: CSV });
  await client.refused(400, "invalid_request", "POST", `${path}/import`, { token, csv: CSV });
  await client.refused(415, "unsupported_media_type", "POST", importPath(id), { token, body: CSV });
  assert.deepEqual((await client.walk(path, token)).rows, []);
}

async function invoices(client: Client, token: string, meterId: string, renterId: string): Promise<void> {
  for (const month of MONTHS) {
    const run = async () => {
      const body = { month, meter_id: meterId };
      const { job_id } = await client.expect(202, "POST", "/v1/invoices/run", { token, body });
      return await client.jobResult(token, job_id);
    };
    const result = await run();
    assert.deepEqual([result.invoices, result.unchanged, result.problems], [1, 0, []]);
    const again = await run();
    assert.deepEqual([again.invoices, again.unchanged], [0, 1]);
    const { items: [found, ...others] } = await client.expect(
      200,
      "GET",
      `/v1/invoices?month=${month}&meter_id=${meterId}`,
      { token },
    );
    assert.equal(others.length, 0);
    const invoice = await client.expect(200, "GET", `/v1/invoices/${found.id}`, { token });
    const expected = reckon(CSV, month);
    const quantities = Object.fromEntries(invoice.items.map((i: Record<string, string>) => [i.zone, i.quantity]));
    assert.deepEqual(quantities, expected.quantities, month);
    assert.deepEqual([invoice.subtotal, invoice.total], [expected.subtotal, expected.total], month);
    // The lease begins in November 2011, so each month's end falls into it.
    const about = [invoice.month, invoice.currency, invoice.meter_id, invoice.renter_id];
    assert.deepEqual(about, [month, "CAD", meterId, renterId]);
  }
  const { rows } = await client.walk(`/v1/invoices?renter_id=${renterId}&sort=month`, token, 2);
  assert.deepEqual(rows.map((row) => row.month), MONTHS);
  for (const sort of ["number", "month", "created_at"]) {
    await listed(client, token, "/v1/invoices", sort, MONTHS.length);
  }
  for (const body of [{ month: "2011-13" }, { month: "December" }, {}, { month: "2011-12", meter_id: "x" }]) {
    await client.refused(400, "invalid_request", "POST", "/v1/invoices/run", { token, body });
  }
  const body = { month: "2011-12", meter_id: crypto.randomUUID() };
  await client.refused(404, "not_found", "POST", "/v1/invoices/run", { token, body });
  await client.refused(404, "not_found", "GET", `/v1/jobs/${crypto.randomUUID()}`, { token });
}

async function rounding(client: Client, token: string, meter: (serial: string) => Promise<string>): Promise<void> {
  const cases: [string, string[], string, string][] = [
    // 7.5 × 0.062 = 0.465: half-even would give 0.46.
    ["HALF-UP", ["7.5,1,0,0"], "0.465", "0.47"],
    // 0.0248 + 0.04416 + 0.00432 = 0.07328; rounded line by line it would be 0.02 + 0.04 + 0.
    ["ONCE", ["0.4,1,0,0", "0.48,0,1,0", "0.04,0,0,1"], "0.07328", "0.07"],
    // Sums that binary fractions get wrong: 0.1 + 0.2 kWh × 0.092 = 0.0276.
    ["EXACT", ["0.1,0,1,0", "0.2,0,1,0"], "0.0276", "0.03"],
  ];
  for (const [serial, lines, subtotal, total] of cases) {
    const id = await meter(serial);
    const csv = [HEADER, ...lines.map((line, hour) => `01/05/2012 0${hour + 1}:00:00,${line}`)].join("\n");
    await client.expect(200, "POST", importPath(id), { token, csv });
    const body = { month: "2012-01", meter_id: id };
    const { job_id } = await client.expect(202, "POST", "/v1/invoices/run", { token, body });
    await client.jobResult(token, job_id);
    const { items: [invoice] } = await client.expect(200, "GET", `/v1/invoices?meter_id=${id}`, { token });
    assert.deepEqual([invoice.subtotal, invoice.total], [subtotal, total], serial);
  }
}

async function report(client: Client, token: string, meterId: string): Promise<void> {
  const body = { kind: "usage", month: "2011-12", meter_id: meterId };
  const made = await client.expect(202, "POST", "/v1/reports", { token, body });
  await client.jobResult(token, made.job_id);
  const shown = await client.expect(200, "GET", `/v1/reports/${made.id}`, { token });
  assert.deepEqual([shown.status, shown.params.from, shown.params.to], ["ready", "2011-12-01", "2011-12-31"]);
  const csv = await client.ask("GET", `/v1/reports/${made.id}/download`, { token });
  assert.match(csv.headers.get("content-type") ?? "", /^text\/csv/);
  assert.match(
    csv.headers.get("content-disposition") ?? "",
    /^attachment; filename="usage-2011-12-01-2011-12-31\.csv"$/,
  );
  const json = await client.expect(200, "GET", `/v1/reports/${made.id}/download?format=json`, { token });
  const expected = reckon(CSV, "2011-12");
  const totals = Object.fromEntries(json.totals.map((row: Record<string, string>) => [row.zone, row.quantity]));
  assert.deepEqual(totals, expected.quantities);
  const rows = csv.text.trim().split("\r\n");
  assert.equal(rows.length - 1, json.rows.length);
  assert.equal(json.rows.reduce((sum: number, row: { readings: number }) => sum + row.readings, 0), expected.readings);
  const sizes = Object.fromEntries(
    shown.files.map((file: { format: string; bytes: number }) => [file.format, file.bytes]),
  );
  assert.equal(sizes.csv, new TextEncoder().encode(csv.text).length);
  await client.refused(404, "not_found", "GET", `/v1/reports/${crypto.randomUUID()}/download`, { token });
  await client.refused(400, "invalid_request", "GET", `/v1/reports/${made.id}/download?format=pdf`, { token });
}

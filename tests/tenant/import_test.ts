// Imports of readings over HTTP: the sample, broken lines, wrong mappings, conflicts, uploads that break off.
import assert from "node:assert/strict";
import { bootApp } from "../support/app.ts";
import { importFile, madeMeter, SAMPLE_MAPPING, sampleFile } from "../support/metering.ts";

const app = await bootApp();
const { admin } = await app.tenant("importers");
Deno.test.afterAll(() => app.stop());

const HEADER = "DateTime,Consumption kWh,Off-peak,Mid-peak,On-peak";
const PLAIN = { timestamp: { column: "t", format: "YYYY-MM-DD HH:mm" }, value: { column: "v" } };

function file(...lines: string[]): string {
  return [HEADER, ...lines].join("\r\n");
}

async function readings(meterId: string, query = "") {
  const { body } = await app.ask("GET", `/v1/meters/${meterId}/readings?limit=200${query}`, { token: admin });
  return body.items as { ends_at: string; billing_day: string; value: string; zone: string | null }[];
}

Deno.test("readings.import takes the sample, and the same file again changes nothing", async () => {
  const meter = await madeMeter(app, admin);
  const text = await sampleFile();
  const first = await importFile(app, admin, meter.id, text, { query: "&file_name=electricity-usage.csv" });
  assert.equal(first.status, 200, JSON.stringify(first.body));
  const { import_id, ...counts } = first.body;
  assert.match(import_id, /^[0-9a-f-]{36}$/);
  const none = { rejected: 0, errors: [], errors_truncated: false };
  assert.deepEqual(counts, { lines: 2712, accepted: 2712, unchanged: 0, ...none });
  const { import_id: _, ...again } = (await importFile(app, admin, meter.id, text)).body;
  assert.deepEqual(again, { lines: 2712, accepted: 0, unchanged: 2712, ...none });
  const midnight = await readings(meter.id, "&from=2012-01-01T04:00:00Z&to=2012-01-01T06:00:01Z");
  assert.deepEqual(midnight.map((row) => [row.ends_at, row.billing_day]), [
    ["2012-01-01T04:00:00.000Z", "2011-12-31"],
    ["2012-01-01T05:00:00.000Z", "2011-12-31"],
    ["2012-01-01T06:00:00.000Z", "2012-01-01"],
  ]);
  const spring = await readings(meter.id, "&from=2012-03-11T05:30:00Z&to=2012-03-11T07:30:00Z");
  assert.deepEqual(spring.map((row) => row.ends_at), ["2012-03-11T06:00:00.000Z", "2012-03-11T07:00:00.000Z"]);
});

Deno.test("readings.import rejects broken lines one by one, each with number and reason, and stores the others", async () => {
  const meter = await madeMeter(app, admin);
  const answer = await importFile(
    app,
    admin,
    meter.id,
    file(
      "12/01/2011 01:00:00,0.1,1,0,0",
      "12/01/2011 02:00:00,0.1,1,0",
      "12/32/2011 03:00:00,0.1,1,0,0",
      "12/01/2011 04:00:00,-0.1,1,0,0",
      "12/01/2011 05:00:00,0.12345,1,0,0",
      "12/01/2011 06:00:00,,1,0,0",
      "12/01/2011 07:00:00,0.1,1,1,0",
      "12/01/2011 08:00:00,0.1,0,0,0",
      "12/01/2011 09:00:00,0.1,yes,0,0",
      "03/11/2012 02:00:00,0.1,1,0,0",
      '12/01/2011 11:00:00,"0.1,1,0,0',
      "12/01/2011 12:00:00,0.1\0,1,0,0",
      "12/01/2011 13:00:00,12345678901,1,0,0",
      "12/01/2011 14:00:00,0.2,1,0,0",
      "12/01/2011 14:00:00,0.3,1,0,0",
      "12/01/2011 14:00:00,0.20,1,0,0",
      "x".repeat(70_000),
      "",
      "12/01/2011 15:00:00,0.5,0,0,1",
    ),
  );
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  assert.deepEqual([answer.body.lines, answer.body.accepted, answer.body.unchanged, answer.body.rejected], [
    18,
    3,
    1,
    14,
  ]);
  const expected: [number, RegExp][] = [
    [3, /4 cells, the header 5/],
    [4, /"12\/32\/2011 03:00:00" is not a time/],
    [5, /negative/],
    [6, /four decimals/],
    [7, /missing/],
    [8, /zones "off_peak" and "mid_peak"/],
    [9, /no zone/],
    [10, /"yes" is neither 0 nor 1/],
    [11, /does not exist in America\/Toronto/],
    [12, /not closed/],
    [13, /is not a number/],
    [14, /too large/],
    [16, /conflicts with line 15/],
    [18, /longer than 65536/],
  ];
  assert.deepEqual(answer.body.errors.map((error: { line: number }) => error.line), expected.map(([line]) => line));
  expected.forEach(([, reason], i) => assert.match(answer.body.errors[i].reason, reason));
  assert.equal(answer.body.errors[1].column, "DateTime");
  assert.equal((await readings(meter.id)).length, 3);
});

Deno.test("readings.import tells the first 100 rejected lines and says that there are more", async () => {
  const meter = await madeMeter(app, admin);
  const lines = Array.from({ length: 300 }, (_, i) => i % 2 ? "broken" : `2011-12-${10 + i % 20} 10:${10 + i % 49},1`);
  const answer = await importFile(app, admin, meter.id, `t,v\n${lines.join("\n")}\n`, { mapping: PLAIN });
  assert.equal(answer.body.rejected, 150, JSON.stringify(answer.body).slice(0, 500));
  assert.equal(answer.body.errors.length, 100);
  assert.equal(answer.body.errors[99].line, 201);
  assert.equal(answer.body.errors_truncated, true);
});

Deno.test("readings.import refuses a mapping that does not fit with 422, names the columns, and stores nothing", async () => {
  const meter = await madeMeter(app, admin);
  const text = file("12/01/2011 01:00:00,0.1,1,0,0");
  const { timestamp, value, zones } = SAMPLE_MAPPING;
  const wrong: [unknown, RegExp][] = [
    [{ ...SAMPLE_MAPPING, value: { column: "kWh" } }, /no column "kWh"; the columns are "DateTime", "Consumption kWh"/],
    [{ ...SAMPLE_MAPPING, zones: { ...zones, peak: "Peak" } }, /no column "Peak"/],
    [{ ...SAMPLE_MAPPING, value: { column: 6 } }, /no column 6, the file has 5/],
    [{ ...SAMPLE_MAPPING, timestamp: { ...timestamp, zone: "Mars/Olympus" } }, /"Mars\/Olympus" is not a zone/],
    [{ ...SAMPLE_MAPPING, timestamp: { ...timestamp, format: "MM/DD HH:mm" } }, /lacks the year/],
    [
      { ...SAMPLE_MAPPING, timestamp: { ...timestamp, format: "YYYY-MM-DD HH:mm:ss" } },
      /No line can be read .* line 2: .*is not a time/,
    ],
    [{ ...SAMPLE_MAPPING, value: { ...value, decimal: "," } }, /No line can be read .* line 2: .*not a number/],
    [{ ...SAMPLE_MAPPING, delimiter: ";" }, /no column "DateTime"/],
    [
      { timestamp: { ...timestamp, midnight: "start_of_day", marks: "interval_start" }, value },
      /how long an interval is/,
    ],
    [
      { timestamp: { ...timestamp, format: "YYYY-MM-DDTHH:mm:ssZ" }, value },
      /exact and cannot mean the end of the day/,
    ],
    [{ ...SAMPLE_MAPPING, header: false }, /Give the number of column "DateTime"/],
  ];
  for (const [mapping, reason] of wrong) {
    const answer = await importFile(app, admin, meter.id, text, { mapping });
    assert.equal(answer.status, 422, JSON.stringify(answer.body));
    assert.equal(answer.body.code, "unprocessable");
    assert.match(answer.body.detail, reason);
  }
  assert.equal((await importFile(app, admin, meter.id, "")).status, 422);
  assert.equal((await readings(meter.id)).length, 0);
  assert.equal((await app.ask("DELETE", `/v1/meters/${meter.id}`, { token: admin })).status, 204);
});

Deno.test("readings.import refuses malformed mappings, types, encodings, foreign meters and members with a 4xx", async () => {
  const meter = await madeMeter(app, admin);
  const text = file("12/01/2011 01:00:00,0.1,1,0,0");
  const path = `/v1/meters/${meter.id}/readings/import`;
  const csv = { token: admin, raw: text, headers: { "content-type": "text/csv" } };
  const mapping = (value: unknown) => `${path}?mapping=${encodeURIComponent(JSON.stringify(value))}`;
  for (
    const query of [path, `${path}?mapping=%7B`, mapping({}), mapping({ ...SAMPLE_MAPPING, other: 1 }), mapping([])]
  ) {
    const answer = await app.ask("POST", query, csv);
    assert.equal(answer.status, 400, JSON.stringify(answer.body));
    assert.equal(answer.body.code, "invalid_request");
  }
  const both = { ...SAMPLE_MAPPING, zone: { always: "flat" } };
  assert.equal((await app.ask("POST", mapping(both), csv)).status, 400);
  assert.equal(
    (await importFile(app, admin, meter.id, text, { headers: { "content-type": "application/json" } })).status,
    415,
  );
  assert.equal((await importFile(app, admin, meter.id, text, { headers: { "content-encoding": "gzip" } })).status, 415);
  assert.equal((await importFile(app, admin, crypto.randomUUID(), text)).status, 404);
  assert.equal((await importFile(app, admin, "nonsense", text)).status, 400);
  const other = await app.tenant("strangers");
  assert.equal((await importFile(app, other.admin, meter.id, text)).status, 404);
  const member = await app.memberToken({ ...other }, "member");
  const own = await madeMeter(app, other.admin);
  assert.equal((await importFile(app, member, own.id, text)).status, 403);
  assert.equal((await readings(meter.id)).length, 0);
});

Deno.test("readings.import rejects bytes that are not text, and takes Latin-1 in columns that are not mapped", async () => {
  const meter = await madeMeter(app, admin);
  const bytes = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
  const mapping = { ...PLAIN, zone: { column: "z" } };
  const latin =
    "t,v,z,note\n2011-12-01 01:00,1,flat,caf\xe9\n2011-12-01 02:00,1\xff,flat,\n2011-12-01 03:00,1,fl\xe9t,\n";
  const answer = await importFile(app, admin, meter.id, bytes(latin), { mapping });
  assert.deepEqual(
    [answer.status, answer.body.accepted, answer.body.rejected],
    [200, 1, 2],
    JSON.stringify(answer.body),
  );
  const noise = crypto.getRandomValues(new Uint8Array(60_000));
  assert.equal((await importFile(app, admin, meter.id, noise, { mapping })).status, 422);
  const utf16 = new Uint8Array(new Uint16Array([0xfeff, ...bytes("t,v,z\n2011-12-01 01:00,1,flat\n")]).buffer);
  assert.equal((await importFile(app, admin, meter.id, utf16, { mapping })).status, 422);
});

Deno.test("readings.import reads a BOM, other delimiters, decimal commas, zone columns, skipped lines and files without header", async () => {
  const meter = await madeMeter(app, admin);
  const german = "\u{FEFF}Export of 1 May\r\nvon;kWh;Tarif\r\n1.12.2011 0:00;1.5;HT\r\n".replace("1.5", "1,50");
  const mapping = {
    timestamp: { column: "von", format: "D.M.YYYY H:mm", zone: "Europe/Berlin", marks: "interval_start", interval: 15 },
    value: { column: "kWh", decimal: "," },
    zone: { column: "Tarif", map: { HT: "on_peak", NT: "off_peak" } },
    delimiter: ";",
    skip_lines: 1,
  };
  assert.equal((await importFile(app, admin, meter.id, german, { mapping })).body.accepted, 1);
  const bare = {
    ...PLAIN,
    timestamp: { column: 1, format: "YYYY-MM-DDTHH:mm:ssZ" },
    value: { column: 2 },
    header: false,
  };
  const answer = await importFile(app, admin, meter.id, "2012-12-01T00:00:00+01:00,2\n", { mapping: bare });
  assert.equal(answer.body.accepted, 1, JSON.stringify(answer.body));
  assert.deepEqual(
    (await readings(meter.id)).map(({ ends_at, billing_day, value, zone }) => [ends_at, billing_day, value, zone]),
    [
      ["2011-11-30T23:15:00.000Z", "2011-12-01", "1.5", "on_peak"],
      ["2012-11-30T23:00:00.000Z", "2012-11-30", "2", null],
    ],
  );
});

Deno.test("readings.import rejects what differs from a stored reading, or replaces it when asked to", async () => {
  const meter = await madeMeter(app, admin);
  await importFile(app, admin, meter.id, file("12/01/2011 01:00:00,0.1,1,0,0", "12/01/2011 02:00:00,0.2,1,0,0"));
  const changed = file(
    "12/01/2011 01:00:00,0.1,1,0,0",
    "12/01/2011 02:00:00,0.7,0,1,0",
    "12/01/2011 03:00:00,0.3,1,0,0",
  );
  const kept = await importFile(app, admin, meter.id, changed);
  assert.deepEqual([kept.body.accepted, kept.body.unchanged, kept.body.rejected], [1, 1, 1]);
  assert.match(
    kept.body.errors[0].reason,
    /conflicts with the stored value: 0.2 in zone "off_peak", billed on 2011-12-01/,
  );
  const replaced = await importFile(app, admin, meter.id, changed, { query: "&on_conflict=replace" });
  assert.deepEqual([replaced.body.accepted, replaced.body.unchanged, replaced.body.rejected], [1, 2, 0]);
  assert.deepEqual((await readings(meter.id)).map((row) => [row.value, row.zone]), [
    ["0.1", "off_peak"],
    ["0.7", "mid_peak"],
    ["0.3", "off_peak"],
  ]);
});

Deno.test("readings.import keeps nothing of an upload that breaks off, and lets one import of a meter run at a time", async () => {
  const meter = await madeMeter(app, admin);
  const line = (i: number) =>
    `2011-12-01T00:00:00Z,${i}`.replace("01T00:00", `0${1 + i % 9}T${10 + i % 10}:${10 + i % 50}`);
  const mapping = { ...PLAIN, timestamp: { column: "t", format: "YYYY-MM-DDTHH:mm:ssZ" } };
  let breakOff = () => {};
  const broken = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(
        new TextEncoder().encode("t,v\n" + Array.from({ length: 20_000 }, (_, i) => line(i)).join("\n")),
      );
      breakOff = () => controller.error(new Error("gone"));
    },
  });
  const sending = importFile(app, admin, meter.id, broken, { mapping }).then(() => false, () => true);
  const other = await app.until("the lock", async () => {
    const answer = await importFile(app, admin, meter.id, "t,v\n", { mapping });
    return answer.status === 409 && answer;
  });
  assert.equal(other.body.code, "conflict");
  breakOff();
  assert.ok(await sending);
  await app.until(
    "the lock to go",
    async () => (await importFile(app, admin, meter.id, "t,v\n", { mapping })).status === 200,
  );
  assert.equal((await readings(meter.id)).length, 0);
});

Deno.test("readings.list pages through all readings in either order and answers 404 for a foreign meter", async () => {
  const meter = await madeMeter(app, admin);
  await importFile(app, admin, meter.id, await sampleFile());
  for (const sort of ["ends_at", "-ends_at"]) {
    const seen: string[] = [];
    for (let cursor = "";;) {
      const path = `/v1/meters/${meter.id}/readings?limit=200&sort=${sort}${cursor && `&cursor=${cursor}`}`;
      const { body } = await app.ask("GET", path, { token: admin });
      seen.push(...body.items.map((row: { ends_at: string }) => row.ends_at));
      if (!body.next) break;
      cursor = body.next;
    }
    assert.equal(new Set(seen).size, 2712);
    assert.deepEqual(seen, [...seen].sort((a, b) => (sort === "ends_at" ? 1 : -1) * (a < b ? -1 : 1)));
  }
  assert.equal((await app.ask("GET", `/v1/meters/${crypto.randomUUID()}/readings`, { token: admin })).status, 404);
});

// Buildings, properties, renters and meters over HTTP: what every one of them must do alike, and what each does alone.
import assert from "node:assert/strict";
import { bootApp } from "../support/app.ts";
import { made, madeMeter, madeProperty } from "../support/metering.ts";

const app = await bootApp();
const tenant = await app.tenant("registrars");
const stranger = await app.tenant("neighbours");
const { admin } = tenant;
Deno.test.afterAll(() => app.stop());

const ask = (method: string, path: string, body?: unknown, token = admin) => app.ask(method, path, { token, body });
const property = await madeProperty(app, admin);

/** Each kind: how one is made, a change, and what a list of it is sorted by. */
const KINDS: Record<
  string,
  { body: (name: string) => Record<string, unknown>; change: Record<string, unknown>; sort: string }
> = {
  buildings: {
    body: (name) => ({ name, address: "1 King St", postal_code: "M5H", city: "Toronto", country: "CA" }),
    change: { postal_code: null },
    sort: "name",
  },
  properties: {
    body: (label) => ({ building_id: property.building_id, label, area_m2: "54.5" }),
    change: { area_m2: null },
    sort: "label",
  },
  renters: {
    body: (last_name) => ({
      property_id: property.id,
      first_name: "Rita",
      last_name,
      email: `${last_name.replace(/\W/g, "-")}@Rent.test`,
    }),
    change: { property_id: null },
    sort: "last_name",
  },
  meters: {
    body: (serial_number) => ({
      property_id: property.id,
      serial_number,
      utility: "water",
      unit: "m3",
      time_zone: "Europe/Vilnius",
    }),
    change: { installed_on: "2011-01-31" },
    sort: "serial_number",
  },
};

for (const [kind, { body, change, sort }] of Object.entries(KINDS)) {
  const path = `/v1/${kind}`;

  Deno.test(`${kind}.create, get, update and delete give the row and keep what is not named`, async () => {
    const row = await made(app, admin, path, body(`Original ${kind}`));
    assert.deepEqual((await ask("GET", `${path}/${row.id}`)).body, row);
    const changed = await ask("PATCH", `${path}/${row.id}`, change);
    assert.equal(changed.status, 200, JSON.stringify(changed.body));
    assert.notEqual(changed.body.updated_at, row.updated_at);
    assert.deepEqual({ ...changed.body, updated_at: "" }, { ...row, ...change, updated_at: "" });
    assert.equal((await ask("DELETE", `${path}/${row.id}`)).status, 204);
    assert.equal((await ask("GET", `${path}/${row.id}`)).status, 404);
    assert.equal((await ask("DELETE", `${path}/${row.id}`)).status, 404);
  });

  Deno.test(`${kind}.list sorts, pages and searches by prefix without regard to case`, async () => {
    const names = ["Zeta one", "zeta Two", "ZETA three", "zetb", "zet%", "zeta_x"].map((name) => `${name} ${kind}`);
    for (const name of names) await made(app, admin, path, body(name));
    for (const order of [sort, `-${sort}`, "created_at", "-created_at"]) {
      const seen: string[] = [];
      for (let cursor = "";;) {
        const page = await ask("GET", `${path}?limit=2&sort=${order}&search=ZETA${cursor && `&cursor=${cursor}`}`);
        assert.ok(page.body.items.length <= 2);
        seen.push(...page.body.items.map((row: Record<string, string>) => row[sort]));
        if (!page.body.next) break;
        cursor = page.body.next;
      }
      const found = names.filter((name) => name.toLowerCase().startsWith("zeta"));
      const sorted = order.endsWith(sort) ? found.sort((a, b) => a.toLowerCase() < b.toLowerCase() ? -1 : 1) : found;
      assert.deepEqual(seen, order.startsWith("-") ? sorted.reverse() : sorted, order);
    }
    assert.equal((await ask("GET", `${path}?search=zet%25`)).body.items.length, 1);
    assert.equal((await ask("GET", `${path}?search=nothing`)).body.items.length, 0);
  });

  Deno.test(`${kind} of one tenant are not there for another`, async () => {
    const row = await made(app, admin, path, body(`Ours ${kind}`));
    const theirs = (method: string, sent?: unknown) => ask(method, `${path}/${row.id}`, sent, stranger.admin);
    const answers = [await theirs("GET"), await theirs("PATCH", change), await theirs("DELETE")];
    assert.deepEqual(answers.map((answer) => answer.status), [404, 404, 404]);
    assert.deepEqual((await ask("GET", path, undefined, stranger.admin)).body.items, []);
    assert.equal((await ask("GET", `${path}/${row.id}`)).status, 200);
  });

  Deno.test(`${kind} refuse bad input with a 4xx, and writes by members`, async () => {
    const good = body(`Good ${kind}`);
    const bad: unknown[] = [{}, [], "text", { ...good, tenant_id: stranger.id }, { ...good, id: crypto.randomUUID() }];
    for (const field of Object.keys(good)) bad.push({ ...good, [field]: { a: 1 } }, { ...good, [field]: "\0" });
    for (const sent of bad) {
      const answer = await ask("POST", path, sent);
      assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} ${JSON.stringify(sent)}`);
    }
    const row = await made(app, admin, path, body(`Kept ${kind}`));
    assert.equal((await ask("PATCH", `${path}/${row.id}`, {})).status, 400);
    for (const query of ["limit=0", "limit=201", "sort=tenant_id", "cursor=xx", "other=1", "limit=1&limit=2"]) {
      assert.equal((await ask("GET", `${path}?${query}`)).status, 400, query);
    }
    assert.equal((await ask("GET", `${path}/not-a-uuid`)).status, 400);
    const member = await app.memberToken(tenant, "member");
    const writes = [["POST", path], ["PATCH", `${path}/${row.id}`], ["DELETE", `${path}/${row.id}`]];
    for (const [method, at] of writes) assert.equal((await ask(method, at, good, member)).status, 403);
    assert.equal((await ask("GET", `${path}/${row.id}`, undefined, member)).status, 200);
  });

  Deno.test(`${kind}.create makes one row for one Idempotency-Key`, async () => {
    const headers = { "idempotency-key": crypto.randomUUID() };
    const asking = { token: admin, body: body(`Once ${kind}`), headers };
    const [first, second] = [await app.ask("POST", path, asking), await app.ask("POST", path, asking)];
    assert.deepEqual([first.status, second.status], [201, 201]);
    assert.deepEqual(second.body, first.body);
  });
}

Deno.test("a foreign and a missing parent give the same answer", async () => {
  const theirs = await madeProperty(app, stranger.admin);
  const foreign = [theirs.id, crypto.randomUUID()];
  for (const kind of ["renters", "meters"]) {
    const answers = [];
    for (const property_id of foreign) {
      answers.push(await ask("POST", `/v1/${kind}`, { ...KINDS[kind].body("x"), property_id }));
    }
    assert.deepEqual(
      answers.map(({ status, body }) => [status, body.code]),
      Array(2).fill([422, "reference_not_found"]),
    );
    assert.equal(answers[0].body.detail, answers[1].body.detail);
  }
  const building = await ask("POST", "/v1/properties", { building_id: theirs.building_id, label: "Flat" });
  assert.equal(building.body.code, "reference_not_found");
  const own = await madeMeter(app, admin, { property_id: property.id });
  assert.equal(
    (await ask("PATCH", `/v1/meters/${own.id}`, { property_id: theirs.id })).body.code,
    "reference_not_found",
  );
});

Deno.test("what others refer to cannot be deleted, and names that must be unique are", async () => {
  const { id, building_id } = await madeProperty(app, admin);
  const meter = await madeMeter(app, admin, { property_id: id });
  for (const path of [`/v1/buildings/${building_id}`, `/v1/properties/${id}`]) {
    const answer = await ask("DELETE", path);
    assert.deepEqual([answer.status, answer.body.code], [409, "still_referenced"]);
  }
  const again = { ...KINDS.meters.body(meter.serial_number.toLowerCase()), property_id: id };
  assert.deepEqual((await ask("POST", "/v1/meters", again)).body.code, "already_exists");
  assert.equal((await ask("POST", "/v1/properties", { building_id, label: "FLAT 1" })).body.code, "already_exists");
  const theirs = await madeProperty(app, stranger.admin);
  await made(app, stranger.admin, "/v1/meters", { ...again, property_id: theirs.id });
});

Deno.test("lists are filtered by what they belong to", async () => {
  const one = await madeProperty(app, admin);
  await made(app, admin, "/v1/renters", {
    property_id: one.id,
    first_name: "E",
    last_name: "Mail",
    email: "E.Mail@Rent.test",
  });
  const meter = await madeMeter(app, admin, { property_id: one.id });
  const count = async (path: string) => (await ask("GET", path)).body.items.length;
  assert.equal(await count(`/v1/properties?building_id=${one.building_id}`), 1);
  assert.equal(await count(`/v1/renters?property_id=${one.id}`), 1);
  assert.equal(await count("/v1/renters?email=e.mail@rent.test"), 1);
  assert.equal(await count(`/v1/meters?property_id=${one.id}&utility=electricity`), 1);
  assert.equal(await count(`/v1/meters?property_id=${one.id}&utility=gas`), 0);
  assert.equal(await count(`/v1/meters?search=${meter.serial_number}`), 1);
});

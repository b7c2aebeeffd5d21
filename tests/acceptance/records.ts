// Creating, reading, changing, removing and listing the sample domain's records, one after the other and many at once.
import assert from "node:assert/strict";
import type { Client } from "./client.ts";
import type { Tenant } from "./tenants.ts";

// deno-lint-ignore no-explicit-any -- rows of every kind
type Row = any;

interface Kind {
  path: string;
  /** What a list of it can be sorted by, beside created_at. */
  sort: string;
  make(number: number, parent: Row): Record<string, unknown>;
  change: Record<string, unknown>;
  /** A change that must be refused. */
  wrong: Record<string, unknown>;
}

/** From the outside in: each kind's parent is a row of the one before it that has rows below it. */
const KINDS: Kind[] = [
  {
    path: "/v1/buildings",
    sort: "name",
    // Names that differ in case only, and one that comes twice, so that the id decides.
    make: (n) => ({ name: ["alpha", "Alpha", "Épée", "beta", "beta", "Beta 2", "straße", "𝒵eta"][n], ...address }),
    change: { city: "Ottawa", postal_code: "K1A 0B1" },
    wrong: { country: "Canada" },
  },
  {
    path: "/v1/properties",
    sort: "label",
    make: (n, building) => ({ building_id: building.id, label: `Flat ${8 - n}`, area_m2: n ? `${n}0.25` : null }),
    change: { area_m2: "81.25" },
    wrong: { area_m2: "many" },
  },
  {
    path: "/v1/renters",
    sort: "last_name",
    make: (n, property) => ({
      property_id: n % 2 ? property.id : null,
      first_name: "Rita",
      last_name: `Renter ${n % 4}`,
      email: `rita${n}@renters.test`,
    }),
    change: { phone: "+1 (555) 010-0000", lease_starts_on: "2011-11-01", lease_ends_on: "2012-10-31" },
    wrong: { lease_starts_on: "2011-02-30" },
  },
  {
    path: "/v1/meters",
    sort: "serial_number",
    make: (n, property) => ({
      property_id: property.id,
      serial_number: `SN-${n}`,
      utility: n % 2 ? "water" : "electricity",
      unit: n % 2 ? "m3" : "kWh",
      time_zone: "America/Toronto",
    }),
    change: { installed_on: "2010-01-31" },
    wrong: { time_zone: "Mars/Olympus" },
  },
];

const address = { address: "1 Front Street", city: "Toronto", country: "CA" };
const COUNT = 8;

/** The steps, on one tenant. Gives a row of each kind. */
export async function records(t: Deno.TestContext, client: Client, { token }: Tenant): Promise<Record<string, Row>> {
  const made: Record<string, Row> = {};
  const { rows: [building] } = await client.walk("/v1/buildings", token);
  let parent: Row = building;
  for (const kind of KINDS) {
    await t.step(`${kind.path}: made, read, changed, listed`, async () => {
      const rows: Row[] = [];
      for (let n = 0; n < COUNT; n++) {
        rows.push(await client.expect(201, "POST", kind.path, { token, body: kind.make(n, parent) }));
      }
      made[kind.path] = rows[0];
      await oneRow(client, token, kind, rows[0]);
      for (const sort of [kind.sort, "created_at"]) await listed(client, token, kind.path, sort, COUNT);
    });
    if (kind.path !== "/v1/renters") parent = made[kind.path];
  }
  await t.step("filters and searches give what they name", () => filtered(client, token, made));
  await t.step("what others refer to stays, what nobody refers to goes", () => removed(client, token, made));
  await t.step("an Idempotency-Key makes one row, however often it comes", () => repeated(client, token));
  return made;
}

async function oneRow(client: Client, token: string, { path, change, wrong }: Kind, row: Row): Promise<void> {
  assert.deepEqual(await client.expect(200, "GET", `${path}/${row.id}`, { token }), row);
  const changed = await client.expect(200, "PATCH", `${path}/${row.id}`, { token, body: change });
  assert.deepEqual({ ...row, ...change, updated_at: changed.updated_at }, changed);
  for (const body of [wrong, {}, { id: crypto.randomUUID() }, { tenant_id: crypto.randomUUID() }, { nonsense: 1 }]) {
    await client.refused(400, "invalid_request", "PATCH", `${path}/${row.id}`, { token, body });
  }
  assert.deepEqual(await client.expect(200, "GET", `${path}/${row.id}`, { token }), changed);
  await client.refused(404, "not_found", "GET", `${path}/${crypto.randomUUID()}`, { token });
  await client.refused(404, "not_found", "PATCH", `${path}/${crypto.randomUUID()}`, { token, body: change });
  await client.refused(404, "not_found", "DELETE", `${path}/${crypto.randomUUID()}`, { token });
}

/** Page by page in both directions, with every page size: each row once, and the same order as on one page. */
export async function listed(client: Client, token: string, path: string, sort: string, least: number): Promise<void> {
  const at = (order: string) => `${path}${path.includes("?") ? "&" : "?"}sort=${order}`;
  const key = (row: Row) => row.id ?? row.ends_at;
  const { rows: whole } = await client.walk(at(sort), token);
  const ids = whole.map(key);
  assert.equal(new Set(ids).size, ids.length, `${at(sort)} gives a row twice`);
  assert.ok(ids.length >= least, `${at(sort)} gives ${ids.length} rows`);
  const { rows: backwards } = await client.walk(at(`-${sort}`), token);
  assert.deepEqual(backwards.map(key).reverse(), ids, `-${sort} is not the reverse of ${sort}`);
  for (const limit of [1, 3]) {
    for (const order of [sort, `-${sort}`]) {
      const { rows, pages } = await client.walk(at(order), token, limit);
      const expected = order === sort ? ids : ids.toReversed();
      assert.deepEqual(rows.map(key), expected, `${at(order)} in pages of ${limit}`);
      assert.equal(pages, Math.max(1, Math.ceil(ids.length / limit)));
    }
  }
  const { next } = await client.expect(200, "GET", `${at(sort)}&limit=1`, { token });
  const elsewhere = `${at(`-${sort}`)}&cursor=${encodeURIComponent(next)}`;
  await client.refused(400, "invalid_request", "GET", elsewhere, { token });
}

async function filtered(client: Client, token: string, made: Record<string, Row>): Promise<void> {
  const count = async (path: string) => (await client.walk(path, token, 2)).rows.length;
  assert.equal(await count("/v1/buildings?search=ALPH"), 2);
  assert.equal(await count("/v1/buildings?search=%C3%A9p"), 1);
  assert.equal(await count("/v1/buildings?search=%25"), 0);
  assert.equal(await count("/v1/buildings?search=beta&country=CA"), 3);
  assert.equal(await count("/v1/buildings?country=FR"), 0);
  assert.equal(await count(`/v1/properties?building_id=${made["/v1/buildings"].id}&search=flat%20`), COUNT);
  assert.equal(await count(`/v1/renters?property_id=${made["/v1/properties"].id}`), COUNT / 2);
  assert.equal(await count("/v1/renters?email=RITA3@renters.test"), 1);
  assert.equal(await count("/v1/renters?search=renter%201"), 2);
  assert.equal(await count("/v1/meters?utility=water"), COUNT / 2);
  assert.equal(await count(`/v1/meters?property_id=${crypto.randomUUID()}`), 0);
}

async function removed(client: Client, token: string, made: Record<string, Row>): Promise<void> {
  for (const path of ["/v1/buildings", "/v1/properties"]) {
    await client.refused(409, "still_referenced", "DELETE", `${path}/${made[path].id}`, { token });
    await client.expect(200, "GET", `${path}/${made[path].id}`, { token });
  }
  const body = { building_id: crypto.randomUUID(), label: "Nowhere" };
  await client.refused(422, "reference_not_found", "POST", "/v1/properties", { token, body });
  const { rows } = await client.walk("/v1/renters?sort=created_at", token);
  const gone = `/v1/renters/${rows.at(-1).id}`;
  await client.expect(204, "DELETE", gone, { token });
  await client.refused(404, "not_found", "GET", gone, { token });
  await client.refused(404, "not_found", "DELETE", gone, { token });
}

async function repeated(client: Client, token: string): Promise<void> {
  const path = "/v1/buildings";
  const ask = (name: string, key: string) => client.ask("POST", path, { token, key, body: { name, ...address } });
  const found = async (name: string) => (await client.walk(`${path}?search=${name}`, token)).rows;
  const first = await ask("Once", "key-once");
  const again = await ask("Once", "key-once");
  assert.deepEqual([first.status, again.status], [201, 201]);
  assert.deepEqual(again.body, first.body);
  assert.deepEqual(
    [first, again].map((answer) => answer.headers.get("idempotent-replayed")),
    [null, "true"],
  );
  const other = await ask("Twice", "key-once");
  assert.deepEqual([other.status, other.body.code], [422, "idempotency_key_reused"]);
  assert.deepEqual([(await found("Once")).length, (await found("Twice")).length], [1, 0]);
  const storm = await Promise.all(Array.from({ length: 10 }, () => ask("Storm", "key-storm")));
  assert.deepEqual(storm.map((answer) => answer.status), Array(10).fill(201), storm[0].text);
  assert.equal(new Set(storm.map((answer) => answer.body.id)).size, 1);
  assert.equal((await found("Storm")).length, 1);
  // A refused request does not use its key up.
  const refused = await client.ask("POST", path, { token, key: "key-free", body: { name: "Free" } });
  assert.equal(refused.status, 400);
  assert.equal((await ask("Free", "key-free")).status, 201);
  for (const key of ["with space", "a,b", "x".repeat(201)]) {
    await client.refused(400, "invalid_request", "POST", path, { token, key, body: { name: "No", ...address } });
  }
}

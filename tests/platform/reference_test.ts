// Reference data: putting it in changes nothing the second time, and every placement gets exactly what is published,
// read-only, while what tenants still use stays.
import assert from "node:assert/strict";
import { publish } from "../../src/platform/reference/jobs.ts";
import type { ProviderData } from "../../src/platform/reference/model.ts";
import { putProvider } from "../../src/platform/reference/queries.ts";
import { SAMPLE_PROVIDER } from "../../src/platform/reference/sample.ts";
import { bootApp, type TestApp, type TestTenant } from "../support/app.ts";
import { adminSql } from "../support/postgres.ts";
import { asPlatform } from "./setup.ts";

let app: TestApp;
let tenant: TestTenant;
Deno.test.beforeAll(async () => {
  app = await bootApp();
  tenant = await app.tenant("referring");
});
Deno.test.afterAll(() => app.stop());

const loose = { sanitizeOps: false, sanitizeResources: false };

/** The copy in the shared placement, as its superuser sees it. */
async function copy() {
  const sql = await adminSql(app.services.servers.settings.sharedDatabase);
  const rows = await sql`select p.name as provider, t.name as tariff, z.zone, z.price::text, t.valid_to::text
    from reference.providers p left join reference.tariffs t on t.provider_id = p.id
    left join reference.tariff_zones z on z.tariff_id = t.id order by 1, 2, 3`;
  await sql.end();
  return rows.map((row) => [row.provider, row.tariff, row.zone, row.price, row.valid_to]);
}

const SAMPLE_ROWS = [["mid_peak", "0.092000"], ["off_peak", "0.062000"], ["on_peak", "0.108000"]].map((
  [zone, price],
) => [
  SAMPLE_PROVIDER.name,
  SAMPLE_PROVIDER.tariffs[0].name,
  zone,
  price,
  null,
]);
const put = (provider: ProviderData) => asPlatform(app.services, (tx) => putProvider(tx, provider));
const remove = (id: string) => asPlatform(app.services, (tx) => tx`delete from platform.providers where id = ${id}`);

const WATER: ProviderData = {
  id: "01890a5d-ac96-774b-bcce-b30209900001",
  name: "Sample waterworks",
  country: "DE",
  tariffs: [{
    id: "01890a5d-ac96-774b-bcce-b30209900002",
    name: "Water 2024",
    utility: "water",
    currency: "EUR",
    unit: "m3",
    validFrom: "2024-01-01",
    validTo: "2025-01-01",
    zones: { all: "2.123456", night: "1.5" },
  }],
};

Deno.test("putProvider() changes nothing the second time", loose, async () => {
  const stamps = () =>
    asPlatform(
      app.services,
      (tx) =>
        tx`select (select max(updated_at) from platform.providers) as p, (select max(updated_at) from platform.tariffs) as t,
        (select max(updated_at) from platform.tariff_zones) as z`,
    );
  const before = await stamps();
  await asPlatform(app.services, (tx) => putProvider(tx, SAMPLE_PROVIDER));
  assert.deepEqual(await stamps(), before);
});

Deno.test("publish() writes what is new and changed, with exact prices, and deletes what is gone", loose, async () => {
  assert.deepEqual(await copy(), SAMPLE_ROWS);
  await put(WATER);
  await publish(app.services);
  const water = (zone: string, price: string) => [WATER.name, "Water 2024", zone, price, "2025-01-01"];
  assert.deepEqual(await copy(), [...SAMPLE_ROWS, water("all", "2.123456"), water("night", "1.500000")]);

  const changed = { ...WATER.tariffs[0], zones: { all: "2.2" } };
  await put({ ...WATER, tariffs: [changed] });
  await asPlatform(app.services, (tx) => tx`delete from platform.tariff_zones where zone = 'night'`);
  await publish(app.services);
  assert.deepEqual(await copy(), [...SAMPLE_ROWS, water("all", "2.200000")]);

  await remove(WATER.id);
  await publish(app.services);
  assert.deepEqual(await copy(), SAMPLE_ROWS);
});

Deno.test("publish() keeps a tariff that is gone but in use, and deletes it once it is free", loose, async () => {
  await put(WATER);
  await publish(app.services);
  const token = tenant.admin;
  const make = async (path: string, body: unknown) => {
    const answer = await app.ask("POST", path, { token, body });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return answer.body.id;
  };
  const building_id = await make("/v1/buildings", { name: "House", address: "Street 1", city: "Town", country: "DE" });
  const property_id = await make("/v1/properties", { building_id, label: "Flat 1" });
  const meter = {
    property_id,
    serial_number: "W1",
    utility: "water",
    unit: "m3",
    time_zone: "UTC",
    tariff_id: WATER.tariffs[0].id,
  };
  const meterId = await make("/v1/meters", meter);
  await remove(WATER.id);
  await publish(app.services);
  assert.equal((await copy()).filter(([provider]) => provider === WATER.name).length, 2);

  assert.equal((await app.ask("DELETE", `/v1/meters/${meterId}`, { token })).status, 204);
  await publish(app.services);
  assert.deepEqual(await copy(), SAMPLE_ROWS);
});

Deno.test("publish() reaches the other placements when one fails, and then asks to be tried again", loose, async () => {
  const lost = await app.tenant("unreachable", "dedicated");
  const { placement } = (await app.ask("GET", `/v1/tenants/${lost.id}`, { token: await app.operator() })).body;
  const sql = await adminSql("postgres");
  await sql.unsafe(`alter database "${placement.database}" with allow_connections false`);
  await put(WATER);
  await assert.rejects(publish(app.services), /did not reach 1 of 2 placements/);
  assert.ok((await copy()).some(([provider]) => provider === WATER.name));
  await sql.unsafe(`alter database "${placement.database}" with allow_connections true`);
  await sql.end();
  await publish(app.services);
  await remove(WATER.id);
  await publish(app.services);
});

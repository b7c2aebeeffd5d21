// Organisation units over HTTP: the tree, who is in it, and that who is limited to units sees and writes the rows of the own
// units and of those below, through every route and job, and nothing else.
import assert from "node:assert/strict";
import { bootApp } from "../support/app.ts";
import { importFile, made, madeMeter } from "../support/metering.ts";
import { addPerson, asSystem, type Person } from "../support/people.ts";
import { openPlace } from "../support/placement.ts";

const app = await bootApp({ worker: true });
const tenant = await app.tenant("unit-holders");
const other = await app.secondProcess();
Deno.test.afterAll(async () => {
  await other.stop();
  await app.stop();
});

const { admin } = tenant;
const ask = (method: string, path: string, body?: unknown, token = admin) => app.ask(method, path, { token, body });
const unit = (name: string, parent_id?: string) => made(app, admin, "/v1/units", { name, parent_id });
const address = { address: "1 King St", city: "Toronto", country: "CA" };
const MAPPING = {
  timestamp: { column: "t", format: "YYYY-MM-DD HH:mm" },
  value: { column: "v" },
  zone: { column: "z" },
};

/** A unit with everything below it: building, property, renter, meter, readings, invoice. */
async function furnish(name: string, unitId: string | null) {
  const building = await made(app, admin, "/v1/buildings", { name, ...address, unit_id: unitId });
  const property = await made(app, admin, "/v1/properties", { building_id: building.id, label: "Flat 1" });
  const renter = await made(app, admin, "/v1/renters", { property_id: property.id, first_name: "R", last_name: name });
  const meter = await madeMeter(app, admin, { property_id: property.id });
  await importFile(app, admin, meter.id, "t,v,z\n2012-01-05 10:00,1,off_peak\n", { mapping: MAPPING });
  return { building: building.id, property: property.id, renter: renter.id, meter: meter.id };
}

const north = await unit("North");
const northEast = await unit("North-east", north.id);
const south = await unit("South");
const places = {
  north: await furnish("In the north", north.id),
  east: await furnish("In the north-east", northEast.id),
  south: await furnish("In the south", south.id),
  none: await furnish("In no unit", null),
};
const homeless = await made(app, admin, "/v1/renters", { first_name: "No", last_name: "Flat" });
const billing = await made(app, admin, "/v1/invoices/run", { month: "2012-01" });
assert.equal((await app.job(admin, billing.job_id)).result.invoices, 4);
const holder: Person = await addPerson(app, tenant, "unit_manager", { unit_ids: [north.id] });

const LISTS = ["buildings", "properties", "renters", "meters", "invoices"] as const;

/** What somebody sees in each list, in terms of the furnished places. */
async function seen(token: string): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const list of LISTS) {
    const { status, body } = await other.ask("GET", `/v1/${list}?limit=200`, { token });
    assert.equal(status, 200, JSON.stringify(body));
    found[list] = body.items.length;
  }
  return found;
}

const everywhere = (n: number) => Object.fromEntries(LISTS.map((list) => [list, n]));

Deno.test("units are a tree: made, listed by parent and name, renamed, moved, removed", async () => {
  const top = await unit("Tree");
  const [left, right] = [await unit("Left", top.id), await unit("Right", top.id)];
  const names = async (query: string) =>
    (await ask("GET", `/v1/units?${query}`)).body.items.map(({ name }: { name: string }) => name);
  assert.deepEqual(await names(`parent_id=${top.id}`), ["Left", "Right"]);
  assert.ok((await names("parent_id=none")).includes("Tree") && !(await names("parent_id=none")).includes("Left"));
  assert.deepEqual(await names("search=LEF"), ["Left"]);
  assert.equal((await ask("POST", "/v1/units", { name: "left", parent_id: top.id })).body.code, "already_exists");
  assert.equal((await ask("POST", "/v1/units", { name: "X", parent_id: crypto.randomUUID() })).status, 422);
  assert.equal((await ask("PATCH", `/v1/units/${left.id}`, { parent_id: right.id })).body.parent_id, right.id);
  for (const [id, parent_id] of [[top.id, left.id], [right.id, left.id], [top.id, top.id]]) {
    const refused = await ask("PATCH", `/v1/units/${id}`, { parent_id });
    assert.deepEqual([refused.status, refused.body.detail], [422, "A unit cannot be moved below itself"]);
  }
  assert.equal((await ask("DELETE", `/v1/units/${right.id}`)).body.code, "still_referenced");
  assert.equal((await ask("DELETE", `/v1/units/${south.id}`)).body.code, "still_referenced");
  for (const { id } of [left, right, top]) assert.equal((await ask("DELETE", `/v1/units/${id}`)).status, 204);
});

Deno.test("units that are moved below each other at once make no loop", async () => {
  for (let round = 0; round < 8; round++) {
    const [a, b] = [await unit(`A ${round}`), await unit(`B ${round}`)];
    const answers = await Promise.all([
      ask("PATCH", `/v1/units/${a.id}`, { parent_id: b.id }),
      other.ask("PATCH", `/v1/units/${b.id}`, { token: admin, body: { parent_id: a.id } }),
    ]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 422]);
  }
});

Deno.test("units.members lists who is in a unit, and members.setUnits says so", async () => {
  const { id } = await addPerson(app, tenant, "member");
  const of = async () =>
    (await ask("GET", `/v1/units/${south.id}/members`)).body.items.map((one: { id: string }) => one.id);
  const set = await ask("PUT", `/v1/members/${id}/units`, { unit_ids: [south.id, south.id, north.id] });
  assert.deepEqual(set.body.unit_ids.sort(), [south.id, north.id].sort());
  assert.deepEqual(await of(), [id]);
  const wrong = await ask("PUT", `/v1/members/${id}/units`, { unit_ids: [crypto.randomUUID()] });
  assert.deepEqual([wrong.status, wrong.body.code], [422, "reference_not_found"]);
  assert.deepEqual(await of(), [id]);
  await ask("PUT", `/v1/members/${id}/units`, { unit_ids: [] });
  assert.deepEqual(await of(), []);
});

Deno.test("who is limited to units sees the rows of the own units and below, in every list and by every id", async () => {
  const { token } = holder;
  assert.deepEqual(await seen(token), everywhere(2));
  const whole = await seen(admin);
  assert.ok(LISTS.every((list) => whole[list] >= 4) && whole.renters === 5);
  const byId = async (list: string, id: string) => (await other.ask("GET", `/v1/${list}/${id}`, { token })).status;
  for (const [place, { building, property, renter, meter }] of Object.entries(places)) {
    const status = place === "north" || place === "east" ? 200 : 404;
    const { body: { items } } = await ask("GET", `/v1/invoices?meter_id=${meter}`);
    for (
      const [list, id] of [["buildings", building], ["properties", property], ["renters", renter], ["meters", meter], [
        "invoices",
        items[0].id,
      ]]
    ) assert.equal(await byId(list, id), status, `${list} ${place}`);
    const readings = await other.ask("GET", `/v1/meters/${meter}/readings`, { token });
    assert.equal(readings.status === 404 ? 0 : readings.body.items.length, status === 200 ? 1 : 0);
    if (status === 200) {
      assert.equal((await other.ask("GET", `/v1/invoices/${items[0].id}`, { token })).body.items.length, 1);
    }
  }
  assert.equal(await byId("renters", homeless.id), 404);
  const filtered = await other.ask("GET", `/v1/buildings?unit_id=${south.id}`, { token });
  assert.deepEqual(filtered.body.items, []);
  assert.equal((await other.ask("GET", "/v1/members", { token })).status, 200);
});

Deno.test("who is limited to units can write nothing outside of them, nor carry anything out or in", async () => {
  const { token } = holder;
  const as = (method: string, path: string, body?: unknown) => ask(method, path, body, token);
  const { north: own, south: foreign } = places;
  const refused: [string, string, unknown, number][] = [
    ["POST", "/v1/buildings", { name: "Stray", ...address }, 403],
    ["POST", "/v1/buildings", { name: "Stray", ...address, unit_id: south.id }, 403],
    ["PATCH", `/v1/buildings/${own.building}`, { unit_id: south.id }, 403],
    ["PATCH", `/v1/buildings/${own.building}`, { unit_id: null }, 403],
    ["PATCH", `/v1/buildings/${foreign.building}`, { unit_id: north.id }, 404],
    ["DELETE", `/v1/buildings/${foreign.building}`, undefined, 404],
    ["POST", "/v1/properties", { building_id: foreign.building, label: "Stray" }, 403],
    ["PATCH", `/v1/properties/${own.property}`, { building_id: foreign.building }, 403],
    ["POST", "/v1/renters", { first_name: "S", last_name: "Tray" }, 403],
    ["PATCH", `/v1/renters/${own.renter}`, { property_id: null }, 403],
    ["PATCH", `/v1/meters/${own.meter}`, { property_id: foreign.property }, 403],
    ["DELETE", `/v1/meters/${foreign.meter}`, undefined, 404],
    ["POST", "/v1/invoices/run", { month: "2012-01" }, 403],
    ["POST", "/v1/units", { name: "Mine", parent_id: north.id }, 403],
  ];
  const before = await seen(admin);
  for (const [method, path, body, status] of refused) {
    assert.equal((await as(method, path, body)).status, status, `${method} ${path} ${JSON.stringify(body)}`);
  }
  const csv = "t,v,z\n2012-01-06 10:00,1,off_peak\n";
  assert.equal((await importFile(app, token, foreign.meter, csv, { mapping: MAPPING })).status, 404);
  assert.deepEqual(await seen(admin), before);
  assert.ok(!app.lines.some((line) => line.includes("The database refused a tenant operation")), "an alarm was raised");
  const building = await made(app, token, "/v1/buildings", { name: "Own", ...address, unit_id: northEast.id });
  const property = await made(app, token, "/v1/properties", { building_id: building.id, label: "Own" });
  assert.equal((await importFile(app, token, own.meter, csv, { mapping: MAPPING })).status, 200);
  assert.equal((await as("DELETE", `/v1/properties/${property.id}`)).status, 204);
  assert.equal((await as("DELETE", `/v1/buildings/${building.id}`)).status, 204);
});

Deno.test("a report that somebody limited to units asks for holds the own rows, and others' reports and jobs stay hidden", async () => {
  const body = { kind: "usage", month: "2012-01" };
  const report = async (token: string) => {
    const { id, job_id } = await made(app, token, "/v1/reports", body);
    const job = await app.job(token, job_id);
    assert.equal(job.status, "succeeded", JSON.stringify(job));
    const { body: { rows } } = await other.ask("GET", `/v1/reports/${id}/download?format=json`, { token });
    return { id, job_id, buildings: new Set(rows.map((row: { building: string }) => row.building)) };
  };
  const [own, all] = [await report(holder.token), await report(admin)];
  assert.deepEqual([...own.buildings].sort(), ["In the north", "In the north-east"]);
  assert.equal(all.buildings.size, 4);
  const { token } = holder;
  for (const path of [`/v1/reports/${all.id}`, `/v1/reports/${all.id}/download`, `/v1/jobs/${all.job_id}`]) {
    assert.equal((await other.ask("GET", path, { token })).status, 404, path);
  }
  const ids = async (path: string) =>
    (await other.ask("GET", path, { token })).body.items.map((one: { id: string }) => one.id);
  assert.deepEqual([await ids("/v1/reports"), await ids("/v1/jobs")], [[own.id], [own.job_id]]);
});

Deno.test("a job sees what its asker may see when it runs, not when it was asked for", async () => {
  const person = await addPerson(app, tenant, "manager");
  const made = await asSystem(app.services, tenant.id, (tx) =>
    tx<{ report: string; job: string }>`with report as (
        insert into tenant.reports (kind, params, created_by)
        values ('usage', '{"from": "2012-01-01", "to": "2012-01-31"}', ${person.id}) returning id
      ), job as (
        insert into tenant.jobs (kind, params, created_by)
        select 'reports.create', jsonb_build_object('report_id', id), ${person.id} from report returning id
      ) select report.id as report, job.id as job from report, job`);
  // It was asked for by a manager; by the time it is handed over, the role is one of units.
  await ask("PATCH", `/v1/members/${person.id}`, { role: "unit_manager" });
  await ask("PUT", `/v1/members/${person.id}/units`, { unit_ids: [south.id] });
  const { relay } = await import("../../src/tenancy/jobs.ts");
  await relay(app.services, (await app.services.directory.byId(tenant.id))!);
  assert.equal((await app.job(person.token, made[0].job)).status, "succeeded");
  const { body: { rows } } = await app.ask("GET", `/v1/reports/${made[0].report}/download?format=json`, {
    token: person.token,
  });
  assert.deepEqual([...new Set(rows.map((row: { building: string }) => row.building))], ["In the south"]);
});

Deno.test("units bite at the next request with the old token in another process: of the member, the building, the tree", async () => {
  const { id, token } = await addPerson(app, tenant, "unit_manager");
  const count = async () => (await seen(token)).meters;
  const put = (unit_ids: string[]) => ask("PUT", `/v1/members/${id}/units`, { unit_ids });
  assert.equal(await count(), 0);
  await put([northEast.id]);
  assert.equal(await count(), 1);
  await put([northEast.id, south.id]);
  assert.equal(await count(), 2);
  await put([south.id]);
  assert.equal(await count(), 1);
  await ask("PATCH", `/v1/units/${northEast.id}`, { parent_id: south.id });
  assert.equal(await count(), 2);
  await ask("PATCH", `/v1/units/${northEast.id}`, { parent_id: north.id });
  assert.equal(await count(), 1);
  await ask("PATCH", `/v1/buildings/${places.none.building}`, { unit_id: south.id });
  assert.equal(await count(), 2);
  await ask("PATCH", `/v1/buildings/${places.none.building}`, { unit_id: null });
  assert.equal(await count(), 1);
  await ask("PATCH", `/v1/members/${id}`, { role: "manager" });
  assert.ok(await count() >= 4);
  await ask("PATCH", `/v1/members/${id}`, { role: "unit_manager" });
  assert.equal(await count(), 1);
});

Deno.test("the tests above find a table whose rows are not limited", async () => {
  const place = await openPlace(app, tenant);
  const [{ using }] = await place.admin`select pg_get_expr(polqual, polrelid) as using from pg_policy
    where polrelid = 'tenant.renters'::regclass and polname = 'tenant_rows'`;
  await place.admin`alter policy tenant_rows on tenant.renters using (true)`;
  try {
    assert.equal((await seen(holder.token)).renters, 5);
  } finally {
    await place.admin.unsafe(`alter policy tenant_rows on tenant.renters using (${using})`);
  }
  assert.deepEqual(await seen(holder.token), everywhere(2));
  await place.end();
});

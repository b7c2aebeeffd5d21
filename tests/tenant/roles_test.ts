// Roles over HTTP: what they may say, who may give them, loops, and that a change holds at the next request with the old
// token in another process.
import assert from "node:assert/strict";
import { bootApp } from "../support/app.ts";
import { importFile, madeMeter } from "../support/metering.ts";
import { addPerson, asSystem } from "../support/people.ts";

const app = await bootApp({ worker: true });
const tenant = await app.tenant("role-makers");
const { admin } = tenant;
const other = await app.secondProcess();
Deno.test.afterAll(async () => {
  await other.stop();
  await app.stop();
});

const ask = (method: string, path: string, body?: unknown, token = admin) => app.ask(method, path, { token, body });

async function newRole(permissions: Record<string, string[]>, more: Record<string, unknown> = {}): Promise<string> {
  const key = `r_${crypto.randomUUID().slice(0, 8)}`;
  const made = await ask("POST", "/v1/roles", { key, name: `Role ${key}`, permissions, ...more });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return key;
}

const change = async (key: string, body: unknown) => {
  const answer = await ask("PATCH", `/v1/roles/${key}`, body);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body;
};

Deno.test("roles.list shows the built-in roles and the own ones, with what each may do and how many have it", async () => {
  const key = await newRole({ buildings: ["view"] }, { description: "Looks at buildings", includes: ["member"] });
  await addPerson(app, tenant, key);
  const { body } = await ask("GET", "/v1/roles");
  assert.deepEqual(body.items.slice(0, 4).map((role: { key: string }) => role.key), [
    "admin",
    "manager",
    "unit_manager",
    "member",
  ]);
  const role = body.items.find((one: { key: string }) => one.key === key);
  assert.deepEqual([role.built_in, role.members, role.includes, role.effective.meters], [false, 1, ["member"], [
    "view",
  ]]);
  assert.deepEqual((await ask("GET", `/v1/roles/${key}`)).body, role);
  const { body: found } = await ask("GET", "/v1/permissions");
  assert.ok(found.items.some((one: { resource: string }) => one.resource === "buildings"));
});

Deno.test("roles.create refuses unknown resources and actions, and names them", async () => {
  const tries: [unknown, RegExp][] = [
    [{ castles: ["view"] }, /There is no resource \\?"castles\\?"/],
    [{ buildings: ["view", "burn"] }, /There is no action \\?"burn\\?" on \\?"buildings\\?"/],
    [{ constructor: ["view"] }, /There is no resource \\?"constructor\\?"/],
    [{ "*": ["view"] }, /There is no action \\?"view\\?" on \\?"\*\\?"/],
    [{ buildings: "view" }, /array/],
  ];
  for (const [permissions, sentence] of tries) {
    const { status, body } = await ask("POST", "/v1/roles", { key: "wrong_one", name: "Wrong", permissions });
    assert.deepEqual([status, body.code], [400, "invalid_request"]);
    assert.match(JSON.stringify(body), sentence);
  }
  const reserved = await ask("POST", "/v1/roles", { key: "manager", name: "Mine" });
  assert.deepEqual([reserved.status, reserved.body.code], [409, "already_exists"]);
  assert.equal((await ask("PATCH", "/v1/roles/manager", { name: "Mine" })).body.code, "invalid_state");
});

Deno.test("roles.create refuses more roles than a change can reckon", async () => {
  const full = await app.tenant("full-of-roles");
  await asSystem(
    app.services,
    full.id,
    (tx) => tx`insert into tenant.roles (key, name) select 'role_' || n, 'Role ' || n from generate_series(1, 199) n`,
  );
  const add = (key: string) => ask("POST", "/v1/roles", { key, name: "Another" }, full.admin);
  assert.equal((await add("last_one")).status, 201);
  const refused = await add("one_more");
  assert.deepEqual([refused.status, refused.body.code], [409, "plan_limit"]);
});

Deno.test("roles cannot include themselves, by whatever way, also when two changes come at once", async () => {
  const [a, b, c] = [await newRole({}), await newRole({}), await newRole({})];
  await change(a, { includes: [b] });
  await change(b, { includes: [c] });
  for (const [key, includes] of [[c, [a]], [b, [a]], [a, [a]]] as const) {
    const refused = await ask("PATCH", `/v1/roles/${key}`, { includes });
    assert.deepEqual([refused.status, refused.body.code], [422, "unprocessable"]);
    assert.match(refused.body.detail, /^A role cannot include itself: ".+" → ".+"$/);
  }
  assert.equal((await ask("PATCH", `/v1/roles/${c}`, { includes: ["nobody"] })).body.code, "reference_not_found");
  for (let round = 0; round < 10; round++) {
    const [x, y] = [await newRole({}), await newRole({})];
    const answers = await Promise.all([
      ask("PATCH", `/v1/roles/${x}`, { includes: [y] }),
      other.ask("PATCH", `/v1/roles/${y}`, { token: admin, body: { includes: [x] } }),
    ]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 422]);
  }
});

Deno.test("roles give what they include, through every step, and lose it when it goes", async () => {
  const [bottom, middle, top] = [await newRole({ renters: ["view"] }), await newRole({}), await newRole({})];
  await change(middle, { includes: [bottom] });
  await change(top, { includes: [middle] });
  const { token } = await addPerson(app, tenant, top);
  const decide = async () => (await other.ask("GET", "/v1/renters", { token })).status;
  assert.equal(await decide(), 200);
  await change(bottom, { permissions: {} });
  assert.equal(await decide(), 403);
  await change(bottom, { permissions: { renters: ["*"] } });
  assert.equal(await decide(), 200);
  await change(middle, { includes: [] });
  assert.equal(await decide(), 403);
});

Deno.test("nobody gives what they do not hold: in a new role, a change, by including, assigning or taking away", async () => {
  const own = await newRole({ roles: ["*"], members: ["*"], settings: ["*"], buildings: ["view"] });
  const { token, id } = await addPerson(app, tenant, own);
  const as = (method: string, path: string, body?: unknown) => ask(method, path, body, token);
  const name = "Mine";
  const more = await newRole({ meters: ["delete"] });
  const tries: [string, string, unknown, string][] = [
    ["POST", "/v1/roles", { key: "mine_a", name, permissions: { buildings: ["edit"] } }, "buildings.edit"],
    ["POST", "/v1/roles", { key: "mine_b", name, permissions: { buildings: ["*"] } }, "buildings.*"],
    ["POST", "/v1/roles", { key: "mine_c", name, permissions: { "*": ["*"] } }, "*.*"],
    ["POST", "/v1/roles", { key: "mine_d", name, includes: [more] }, "meters.delete"],
    ["PATCH", `/v1/roles/${own}`, { includes: ["admin"] }, "*.*"],
    ["PATCH", `/v1/roles/${more}`, { permissions: {} }, "meters.delete"],
    ["DELETE", `/v1/roles/${more}`, undefined, "meters.delete"],
    ["PATCH", `/v1/members/${id}`, { role: "admin" }, "*.*"],
    ["POST", "/v1/members", { first_name: "A", last_name: "B", email: "a@b.test", role: more }, "meters.delete"],
    ["PATCH", "/v1/settings/access", { default_role: "admin" }, "*.*"],
  ];
  for (const [method, path, body, permission] of tries) {
    const refused = await as(method, path, body);
    assert.deepEqual([refused.status, refused.body.code], [403, "forbidden"], `${method} ${path}`);
    assert.ok(refused.body.detail.includes(`"${permission}"`), refused.body.detail);
  }
  const { body: { items } } = await ask("GET", "/v1/members?role=admin");
  for (const body of [{ role: own }, { status: "suspended" }]) {
    assert.equal((await as("PATCH", `/v1/members/${items[0].id}`, body)).status, 403);
  }
  assert.equal((await as("DELETE", `/v1/members/${items[0].id}`)).status, 403);
  assert.equal(
    (await as("POST", "/v1/roles", { key: "mine_e", name, permissions: { buildings: ["view"] } })).status,
    201,
  );
});

Deno.test("roles.delete is refused while somebody has the role, it is the default, or another one includes it", async () => {
  const key = await newRole({ buildings: ["view"] });
  const { id } = await addPerson(app, tenant, key);
  const refused = async (sentence: RegExp) => {
    const answer = await ask("DELETE", `/v1/roles/${key}`);
    assert.deepEqual([answer.status, answer.body.code], [409, "still_referenced"]);
    assert.match(answer.body.detail, sentence);
  };
  await refused(/: a member has it$/);
  await ask("PATCH", `/v1/members/${id}`, { role: "member" });
  assert.equal((await ask("PATCH", "/v1/settings/access", { default_role: key })).status, 200);
  await refused(/the default role/);
  await ask("PATCH", "/v1/settings/access", { default_role: "member" });
  const including = await newRole({}, { includes: [key] });
  await refused(/includes it/);
  await ask("DELETE", `/v1/roles/${including}`);
  const gone = await addPerson(app, tenant, key);
  await ask("DELETE", `/v1/members/${gone.id}`);
  assert.equal((await ask("DELETE", `/v1/roles/${key}`)).status, 204);
  assert.equal((await ask("GET", `/v1/roles/${key}`)).status, 404);
});

Deno.test("a role that is limited to units can hold nothing that reaches beyond them", async () => {
  const beyond = [{ roles: ["edit"] }, { members: ["edit"] }, { audit: ["view"] }, { "*": ["*"] }, {
    invoices: ["run"],
  }];
  for (const permissions of beyond) {
    const body = { key: "too_much", name: "Too much", permissions, units_only: true };
    const refused = await ask("POST", "/v1/roles", body);
    assert.deepEqual([refused.status, refused.body.code], [422, "unprocessable"]);
    assert.match(refused.body.detail, /reaches beyond/);
  }
  const inner = await newRole({ buildings: ["*"] });
  await newRole({}, { units_only: true, includes: [inner] });
  const later = await ask("PATCH", `/v1/roles/${inner}`, { permissions: { api_keys: ["create"] } });
  assert.equal(later.status, 422);
});

Deno.test("a changed role bites at the next request with the old token in another process, both ways", async () => {
  const key = await newRole({ buildings: ["view"] });
  const { token, id } = await addPerson(app, tenant, key);
  const view = async () => (await other.ask("GET", "/v1/buildings", { token })).status;
  const create = { name: "B", address: "1 King St", city: "Toronto", country: "CA" };
  const make = async () => (await other.ask("POST", "/v1/buildings", { token, body: create })).status;
  assert.deepEqual([await view(), await make()], [200, 403]);
  await change(key, { permissions: { buildings: ["view", "create"] } });
  assert.deepEqual([await make(), await view()], [201, 200]);
  await change(key, { permissions: {} });
  assert.deepEqual([await view(), await make()], [403, 403]);
  await ask("PATCH", `/v1/members/${id}`, { role: "manager" });
  assert.deepEqual([await view(), await make()], [200, 201]);
  await ask("PATCH", `/v1/members/${id}`, { status: "suspended" });
  assert.deepEqual([await view(), await make()], [401, 401]);
});

Deno.test("an upload with an old token is decided by the new rights, and no line of it is lost", async () => {
  const meter = await madeMeter(app, admin);
  const key = await newRole({ readings: ["import"], meters: ["view"] });
  const { token } = await addPerson(app, tenant, key);
  const mapping = {
    timestamp: { column: "t", format: "YYYY-MM-DD HH:mm" },
    value: { column: "v" },
    zone: { always: "flat" },
  };
  const upload = (day: number) =>
    importFile(other, token, meter.id, `t,v\n2012-01-0${day} 10:00,1\n2012-01-0${day} 11:00,1\n`, { mapping });
  assert.equal((await upload(1)).body.accepted, 2);
  await change(key, { permissions: { readings: ["*"] } });
  assert.equal((await upload(2)).body.accepted, 2);
  await change(key, { permissions: { meters: ["view"] } });
  assert.equal((await upload(3)).status, 403);
});

Deno.test("a role that is given while it changes is the changed one for who got it", async () => {
  for (let round = 0; round < 10; round++) {
    const key = await newRole({ buildings: ["view"] });
    const { token, id } = await addPerson(app, tenant, "member");
    await Promise.all([
      change(key, { permissions: { roles: ["view"] } }),
      other.ask("PATCH", `/v1/members/${id}`, { token: admin, body: { role: key } }),
    ]);
    assert.equal((await app.ask("GET", "/v1/buildings", { token })).status, 403);
    assert.equal((await other.ask("GET", "/v1/roles", { token })).status, 200);
  }
});

// What members may be made to say and who may make them: names that can be seen, metadata that can be read, nothing of who holds
// more than the caller; how they are found; what keeps a role from going.
import assert from "node:assert/strict";
import { bootApp } from "../support/app.ts";
import { addPerson } from "../support/people.ts";

const app = await bootApp();
const tenant = await app.tenant("member-bounds");
Deno.test.afterAll(() => app.stop());

const ask = (method: string, path: string, body?: unknown, token = tenant.admin) =>
  app.ask(method, path, { token, body });

Deno.test("nobody changes names, metadata or sessions of a member who holds more", async () => {
  const key = `keeper_${crypto.randomUUID().slice(0, 6)}`;
  const permissions = { members: ["*"], sessions: ["view", "revoke"] };
  assert.equal((await ask("POST", "/v1/roles", { key, name: "Keeper", permissions })).status, 201);
  const keeper = await addPerson(app, tenant, key);
  const [above, peer] = [await addPerson(app, tenant, "admin"), await addPerson(app, tenant, key)];
  const by = (method: string, path: string, body: unknown) => ask(method, `/v1/members/${path}`, body, keeper.token);
  const bodies = [{ first_name: "Hacked" }, { metadata: { a: 1 } }, { locale: "fr" }, { status: "inactive" }];
  for (const body of bodies) {
    const refused = await by("PATCH", above.id, body);
    assert.deepEqual([refused.status, refused.body.code], [403, "forbidden"], JSON.stringify(body));
  }
  const { body: shown } = await ask("GET", `/v1/members/${above.id}`);
  assert.deepEqual([shown.first_name, shown.metadata, shown.locale], ["Max", {}, null]);
  for (const body of [{}, { session_id: above.sessionId }]) {
    const refused = await by("POST", `${above.id}/sessions/revoke`, body);
    assert.deepEqual([refused.status, refused.body.code], [403, "forbidden"], JSON.stringify(body));
  }
  assert.equal((await ask("GET", "/v1/members", undefined, above.token)).status, 200);
  assert.equal((await by("PATCH", peer.id, { first_name: "Pia" })).body.first_name, "Pia");
  assert.equal((await by("PATCH", keeper.id, { metadata: { desk: 4 } })).status, 200);
  assert.equal((await by("POST", `${peer.id}/sessions/revoke`, { session_id: peer.sessionId })).status, 204);
  assert.equal((await by("POST", `${crypto.randomUUID()}/sessions/revoke`, {})).status, 404);
});

Deno.test("metadata is bounded in bytes and depth, and names have something to be seen", async () => {
  const create = (more: Record<string, unknown>) =>
    ask("POST", "/v1/members", {
      first_name: "Meta",
      last_name: "Data",
      email: `${crypto.randomUUID()}@m.test`,
      ...more,
    });
  const nested = (depth: number) => JSON.parse(`${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`);
  const bodies = [nested(9), nested(5000), { a: [[[[[[[[[]]]]]]]]] }, { a: "x".repeat(16_400) }, {
    a: "é".repeat(8300),
  }];
  const { body: { id } } = await create({ metadata: nested(8) });
  for (const metadata of bodies) {
    for (const refused of [await create({ metadata }), await ask("PATCH", `/v1/members/${id}`, { metadata })]) {
      assert.deepEqual([refused.status, refused.body.code], [400, "invalid_request"]);
      assert.equal(refused.body.fields[0].path, "body.metadata", JSON.stringify(refused.body));
    }
  }
  assert.equal((await create({ metadata: { a: "x".repeat(16_000) } })).status, 201);
  for (const name of ["\u200b", "\u202e\u200d", "\u3164", "\u2800", "\u00ad\ufeff", "\u0007"]) {
    const refused = await create({ first_name: name });
    assert.deepEqual([refused.status, refused.body.fields[0].path], [400, "body.first_name"], escape(name));
  }
  for (const name of ["Zoë", "李", "Мария", "मीरा", "ابن", "O'Neil"]) {
    assert.equal((await create({ first_name: name })).status, 201, name);
  }
});

Deno.test("members.list finds by what the address, the first or the last name begins with", async () => {
  const email = `search-${crypto.randomUUID().slice(0, 6)}@find.test`;
  const { body: { id } } = await ask("POST", "/v1/members", { first_name: "Zebedee", last_name: "O'Quokka", email });
  const found = async (search: string) =>
    (await ask("GET", `/v1/members?search=${encodeURIComponent(search)}`)).body.items.map((one: { id: string }) =>
      one.id
    );
  for (const search of [email.slice(0, 10).toUpperCase(), "zebe", "ZEBEDEE", "o'quo"]) {
    assert.deepEqual(await found(search), [id], search);
  }
  for (const search of ["ebedee", "quokka", "zebedef", "%"]) assert.deepEqual(await found(search), [], search);
});

Deno.test("roles.delete names the invitation that keeps a role", async () => {
  const role = `host_${crypto.randomUUID().slice(0, 6)}`;
  await ask("POST", "/v1/roles", { key: role, name: "Host", permissions: { buildings: ["view"] } });
  const { body: { id } } = await ask("POST", "/v1/invitations", { email: `${role}@hosts.test`, role });
  const { status, body } = await ask("DELETE", `/v1/roles/${role}`);
  assert.deepEqual([status, body.code], [409, "still_referenced"]);
  assert.match(body.detail, new RegExp(`the invitation "${id}" gives it, revoke it first$`));
  assert.equal((await ask("POST", `/v1/invitations/${id}/revoke`)).status, 200);
  assert.equal((await ask("DELETE", `/v1/roles/${role}`)).status, 204);
});

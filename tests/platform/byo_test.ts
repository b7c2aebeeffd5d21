// A customer's server is examined before its application is approved: every fault has its code, the application stays
// as it was, and the password shows up nowhere. Real servers and false ones.
import assert from "node:assert/strict";
import { bootApp, type TestApp } from "../support/app.ts";
import { adminSql, secondTestServer } from "../support/postgres.ts";
import { answerAsPostgres, falseServer } from "./false_server.ts";
import { approve, type CustomerDatabase, customerDatabase, read, submit } from "./setup.ts";

let app: TestApp;
let good: CustomerDatabase;
Deno.test.beforeAll(async () => {
  app = await bootApp({ worker: false });
  good = await customerDatabase();
});
Deno.test.afterAll(async () => {
  await good.drop();
  await app.stop();
});

const loose = { sanitizeOps: false, sanitizeResources: false };
let count = 0;

/** Applies with this server, tries to approve, and looks that nothing but the refusal came of it. Gives the detail. */
async function refused(changes: Record<string, unknown>, code: string, from = good): Promise<string> {
  const byo = { ...from.byo, ...changes };
  const id = await submit(app, `examined-${++count}`, { tier: "byo", byo });
  const token = await app.operator();
  const answer = await app.ask("POST", `/v1/applications/${id}/approve`, { token, body: { tier: "byo" } });
  assert.equal(answer.body.code, code, JSON.stringify(answer.body));
  assert.ok(answer.status === 422 || answer.status === 409, String(answer.status));
  const application = await read(app, `/v1/applications/${id}`);
  assert.deepEqual([application.status, application.tenant_id, application.reviewed_at], ["submitted", null, null]);
  assert.ok(!JSON.stringify([answer.body, app.lines]).includes(String(byo.password)));
  return answer.body.detail;
}

Deno.test("examineByoServer() tells a wrong login from a server that is not there", loose, async () => {
  await refused({ password: "wrong-password" }, "byo_auth_failed");
  await refused({ user: "nobody_here" }, "byo_auth_failed");
  const closed = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = closed.addr as Deno.NetAddr;
  closed.close();
  assert.match(await refused({ port }, "byo_unreachable"), /Nothing listens/);
  assert.match(await refused({ database: "no_such_database" }, "byo_unreachable"), /no such database/);
  assert.match(await refused({ tls_mode: "require" }, "byo_unreachable"), /TLS/);
});

Deno.test("examineByoServer() names the rights that the login lacks", loose, async () => {
  const stranger = await customerDatabase({ owner: false });
  assert.match(await refused({}, "byo_rights_missing", stranger), /lacks ownership of the database$/);
  const plain = await customerDatabase({ attributes: "nocreaterole" });
  assert.match(await refused({}, "byo_rights_missing", plain), /lacks CREATEROLE$/);
  const neither = await customerDatabase({ attributes: "nocreaterole", owner: false });
  assert.match(await refused({}, "byo_rights_missing", neither), /ownership of the database and CREATEROLE/);
  for (const customer of [stranger, plain, neither]) await customer.drop();
});

Deno.test("examineByoServer() takes a superuser who owns nothing", loose, async () => {
  const superuser = await customerDatabase({ attributes: "superuser", owner: false });
  await approve(app, await submit(app, "by-superuser", { tier: "byo", byo: superuser.byo }), "byo");
  await superuser.drop();
});

Deno.test("examineByoServer() refuses a database that holds a schema of ours already", loose, async () => {
  const used = await customerDatabase();
  const sql = await adminSql(used.byo.database, await secondTestServer());
  await sql`create schema tenant`;
  await sql.end();
  await refused({}, "conflict", used);
  await used.drop();
});

Deno.test("examineByoServer() connects to no address that is neither public nor allowed", loose, async () => {
  const hosts = [
    "10.0.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "0.0.0.0",
    "127.1",
    "0x7f.1",
    "2130706433",
    "::1",
    "fd00::1",
  ];
  for (const host of [...hosts, "[::ffff:7f00:1]", "::ffff:10.0.0.1", "no-such-host.invalid"]) {
    await refused({ host }, "egress_refused");
  }
});

Deno.test("examineByoServer() gives up on servers that are silent, babble, or are none", loose, async () => {
  const silent = falseServer(() => {});
  const started = performance.now();
  await refused({ port: silent.port }, "byo_unreachable");
  assert.ok(performance.now() - started < 7_000, "one deadline holds");
  const web = falseServer((socket) => void socket.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")));
  await refused({ port: web.port }, "byo_unreachable");
  const babble = falseServer((socket) => void socket.write(new Uint8Array(1024 * 1024).fill(78)));
  await refused({ port: babble.port }, "byo_unreachable");
  for (const server of [silent, web, babble]) server.close();
});

Deno.test("examineByoServer() refuses a server before version 15", loose, async () => {
  const old = falseServer((socket, chunk, turn) => answerAsPostgres(socket, chunk, turn, ["140012", "t", "t", "f"]));
  assert.match(await refused({ port: old.port }, "byo_version_unsupported"), /PostgreSQL 14/);
  const odd = falseServer((socket, chunk, turn) => answerAsPostgres(socket, chunk, turn, null));
  assert.match(await refused({ port: odd.port }, "byo_unreachable"), /does not answer like PostgreSQL/);
  for (const server of [old, odd]) server.close();
});

// Sessions of `bulkhead/client` on a real platform, over HTTP: every way signing in may go, refreshing before and after the
// token expires, once however many ask, and never with a token that was used. Requests themselves: requests_test.ts.
import assert from "node:assert/strict";
import { type Lock, memoryStore, ProblemError, SessionEndedError, type TokenStore } from "bulkhead/client";
import { totpCode } from "../../src/identity/totp.ts";
import { inThisProcess } from "../../src/client/lock.ts";
import type { TestTenant } from "../support/app.ts";
import { adminSql } from "../support/postgres.ts";
import { type Given, newClient, status } from "./clients.ts";
import { loose, NEW_PASSWORD, ok, PASSWORD, People } from "../tenant/auth_people.ts";

let people: People;
let acme: TestTenant;
const ida = "ida@client.test";
Deno.test.beforeAll(async () => {
  people = await People.boot();
  acme = await people.app.tenant("client-acme");
  await people.join(acme, ida);
});
Deno.test.afterAll(() => people.end());

const ME = "/v1/auth/me";
const MINUTE = 60_000;

const clientOf = (options: Given = {}) => newClient({ url: people.app.url, tenant: acme.slug, ...options });

async function signedIn(options: Given = {}) {
  const made = clientOf(options);
  assert.deepEqual(await made.client.signIn({ email: ida, password: PASSWORD }), { state: "signed_in" });
  return made;
}

/** How many requests of an operation the server has answered, by its log. */
const counted = (operation: string) => people.app.lines.filter((line) => line.includes(`"${operation}"`)).length;

async function refreshes(work: () => Promise<unknown>): Promise<number> {
  const before = counted("auth.refresh");
  await work();
  return counted("auth.refresh") - before;
}

/** After it a used refresh token counts as copied. */
async function passHalfAMinute(refreshToken: string): Promise<void> {
  const sql = await adminSql(people.app.services.servers.settings.sharedDatabase);
  await sql`update tenant.sessions set refreshed_at = refreshed_at - interval '31 seconds'
    where id = ${refreshToken.split(".")[0]}`;
  await sql.end();
}

async function revoke(): Promise<void> {
  const token = acme.admin;
  const { id } = ok(await people.app.ask("GET", "/v1/members?search=ida", { token })).body.items[0];
  ok(await people.post(`/v1/members/${id}/sessions/revoke`, token, {}), 204);
}

Deno.test("signIn() gives requests a token, signOut() ends the session, and neither shows a token", loose, async () => {
  const { client, saved } = clientOf();
  assert.equal(await client.isSignedIn(), false);
  assert.equal(await status(client.fetch(ME)), 401, "without a session requests go without a token");
  const step = await client.signIn({ email: ida, password: PASSWORD });
  assert.deepEqual(step, { state: "signed_in" });
  const answer = await client.fetch(`${people.app.url}${ME}`);
  assert.equal((await answer.json()).member.email, ida);
  const [refreshToken] = saved;
  assert.ok(refreshToken && !Deno.inspect(client, { depth: 20, showHidden: true }).includes(refreshToken));
  await client.signOut();
  assert.deepEqual([await client.isSignedIn(), saved.length, saved[1]], [false, 2, null]);
  assert.equal((await people.refresh(acme.slug, refreshToken)).body.code, "invalid_token");
});

Deno.test("signIn() throws the problem of a wrong password, without the password", loose, async () => {
  const error = await clientOf().client.signIn({ email: ida, password: "wrong herons" }).catch((error) => error);
  assert.ok(error instanceof ProblemError);
  assert.deepEqual([error.code, error.status, error.title, error.fields], [
    "invalid_credentials",
    401,
    "The e-mail address or the password is wrong",
    [],
  ]);
  assert.match(error.requestId!, /^[\w.-]{8,}$/);
  assert.ok(!Deno.inspect(error).includes("wrong herons"));
  await people.forgetFailures();
});

Deno.test("an access token is refreshed shortly before it expires, once for 100 requests at once", loose, async () => {
  const { client, clock, saved } = await signedIn();
  assert.equal(await refreshes(() => status(client.fetch(ME))), 0);
  clock.ahead = 14 * MINUTE + 45_000;
  const all = () => Promise.all(Array.from({ length: 100 }, () => status(client.fetch(ME))));
  assert.equal(await refreshes(async () => assert.deepEqual(new Set(await all()), new Set([200]))), 1);
  assert.deepEqual([saved.length, new Set(saved).size], [2, 2]);
  assert.equal(await refreshes(all), 0);
});

Deno.test("an access token that the server refuses is refreshed once, and the request sent again", loose, async () => {
  const sent: string[] = [];
  const expired = await people.app.services.tokens.issueMember({ ...await memberOfToken(), role: "member" });
  const noting: typeof fetch = (input, init) => {
    const request = new Request(input, init);
    sent.push(`${request.method} ${new URL(request.url).pathname}`);
    return fetch(request);
  };
  const { client } = clientOf({ fetch: noting });
  const { refresh_token } = await people.enter(acme.slug, ida);
  await client.adopt({ state: "signed_in", access_token: expired, expires_in: 900, refresh_token });
  const all = await Promise.all(Array.from({ length: 20 }, () => status(client.fetch(ME))));
  assert.deepEqual(new Set(all), new Set([200]));
  assert.equal(sent.filter((one) => one === "POST /v1/auth/refresh").length, 1);
  assert.equal(sent.filter((one) => one === `GET ${ME}`).length, 40);
});

/** Whose token this is, with a session that there is none of: a signed token that is refused. */
async function memberOfToken() {
  const { member } =
    (await people.app.ask("GET", ME, { token: (await people.enter(acme.slug, ida)).access_token })).body;
  return { memberId: member.id, tenantId: acme.id, sessionId: crypto.randomUUID() };
}

Deno.test("the next refresh token is stored before anything is done with it", loose, async () => {
  const events: string[] = [];
  let kept: string | null = null;
  const store: TokenStore = {
    load: () => kept,
    save: async (token) => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      kept = token;
      events.push("stored");
    },
  };
  const { client, clock } = await signedIn({ store });
  clock.ahead = 16 * MINUTE;
  events.length = 0;
  await Promise.all([1, 2, 3].map(() => status(client.fetch(ME)).then(() => events.push("answered"))));
  assert.deepEqual(events, ["stored", "answered", "answered", "answered"]);
});

Deno.test(
  "a next token that the store would not take is not lost, and the used one not sent again",
  loose,
  async () => {
    const inner = memoryStore();
    let full = false;
    const save = (token: string | null) => full ? Promise.reject(new Error("The disk is full")) : inner.save(token);
    const { client, clock } = await signedIn({ store: { load: inner.load, save } });
    [clock.ahead, full] = [16 * MINUTE, true];
    await assert.rejects(client.fetch(ME), /disk is full/);
    full = false;
    assert.equal(await status(client.fetch(ME)), 200);
    clock.ahead = 40 * MINUTE;
    assert.equal(await status(client.fetch(ME)), 200);
  },
);

Deno.test("a request that waited for a sign-in uses its token, and refreshes nothing", loose, async () => {
  const { client, clock } = await signedIn();
  clock.ahead = 16 * MINUTE;
  const answer = await people.enter(acme.slug, ida);
  const both = async () => assert.equal((await Promise.all([client.adopt(answer), status(client.fetch(ME))]))[1], 200);
  assert.equal(await refreshes(both), 0);
});

Deno.test("while the API is too busy to refresh, a token that is still good is used", loose, async () => {
  let busy = 0;
  const busyFetch: typeof fetch = (input, init) => {
    const request = new Request(input, init);
    if (!request.url.endsWith("/refresh") || busy-- <= 0) return fetch(request);
    const problem = { title: "Too busy just now", code: "overloaded" };
    return Promise.resolve(Response.json(problem, { status: 503, headers: { "retry-after": "0" } }));
  };
  const { client, clock } = await signedIn({ fetch: busyFetch });
  [clock.ahead, busy] = [14 * MINUTE + 45_000, 1_000];
  assert.equal(await status(client.fetch(ME)), 200);
  clock.ahead = 16 * MINUTE;
  await assert.rejects(client.fetch(ME), (error: ProblemError) => error.code === "overloaded");
  busy = 2;
  assert.equal(await refreshes(async () => assert.equal(await status(client.fetch(ME)), 200)), 1);
});

Deno.test("two clients that share a store refresh in turn, and the session lives on", loose, async () => {
  for (const lock of [undefined, inThisProcess]) await share(memoryStore(), lock);
});

async function share(store: TokenStore, lock?: Lock): Promise<void> {
  const [one, two] = [await signedIn({ store, lock }), clientOf({ store, lock })];
  for (let round = 1; round <= 3; round++) {
    one.clock.ahead = two.clock.ahead = round * 16 * MINUTE;
    const asked = [one, two, one, two].map(({ client }) => status(client.fetch(ME)));
    assert.deepEqual(await Promise.all(asked), [200, 200, 200, 200]);
  }
  await one.client.signOut();
  const error = await two.client.fetch(ME).catch((error) => error);
  assert.deepEqual([error instanceof SessionEndedError, error.code], [true, "signed_out"]);
}

Deno.test("a refresh whose answer is lost is asked for again, and the session lives on", loose, async () => {
  let lost = 0;
  const { client, clock } = await signedIn({
    fetch: async (input, init) => {
      const answer = await fetch(input, init);
      if (!answer.url.endsWith("/refresh") || lost++ > 0) return answer;
      await answer.body?.cancel();
      throw new TypeError("The connection broke");
    },
  });
  clock.ahead = 16 * MINUTE;
  await assert.rejects(client.fetch(ME), /The connection broke/);
  assert.equal(await status(client.fetch(ME)), 200);
  clock.ahead += 16 * MINUTE;
  assert.equal(await status(client.fetch(ME)), 200);
});

Deno.test("a refresh token that was used ends the session, and every request says so in one way", loose, async () => {
  const copied = memoryStore();
  const { client, clock, saved } = await signedIn({ store: copied });
  clock.ahead = 16 * MINUTE;
  assert.equal(await status(client.fetch(ME)), 200);
  await passHalfAMinute(saved[0]!);
  const { client: thief } = clientOf({ store: memoryStore(saved[0]) });
  await assert.rejects(thief.fetch(ME), (error: SessionEndedError) => error.code === "invalid_token");
  const asked = await Promise.all(Array.from({ length: 10 }, () => client.fetch(ME).catch((error) => error)));
  for (const error of asked) {
    assert.ok(error instanceof SessionEndedError, String(error));
    assert.equal(error.code, "invalid_token");
    for (const token of saved.slice(0, 2)) assert.ok(!Deno.inspect(error).includes(token!));
  }
  assert.deepEqual([saved.at(-1), await client.isSignedIn()], [null, false]);
  assert.equal(await status(client.fetch(ME)), 401);
});

Deno.test("a revoked session is a SessionEndedError; signing in again goes on", loose, async () => {
  const { client } = await signedIn();
  const { client: other, clock } = await signedIn();
  await revoke();
  await assert.rejects(client.fetch(ME), SessionEndedError);
  clock.ahead = 16 * MINUTE;
  assert.equal(await other.isSignedIn(), false);
  await client.signIn({ email: ida, password: PASSWORD });
  assert.equal(await status(client.fetch(ME)), 200);
});

Deno.test("a second factor finishes signing in, and may be given again after a wrong one", loose, async () => {
  const email = "fay@client.test";
  await people.join(acme, email);
  const { access_token: token } = await people.enter(acme.slug, email);
  const begun = ok(await people.post("/v1/auth/factors/totp", token, { name: "Phone", password: PASSWORD })).body;
  const code = totpCode(begun.secret);
  const { recovery_codes } = ok(await people.post("/v1/auth/factors/totp/confirm", token, { id: begun.id, code })).body;
  const { client } = clientOf();
  const step = await client.signIn({ email, password: PASSWORD });
  assert.ok(step.state === "second_factor");
  assert.deepEqual(step.factors, ["totp", "recovery_code"]);
  assert.ok(!/mfa_token|bh/.test(JSON.stringify(step)));
  assert.equal(await client.isSignedIn(), false);
  const wrong = { recovery_code: "aaaaa-bbbbb-ccccc" };
  await assert.rejects(step.finish(wrong), (error: ProblemError) => error.code === "invalid_credentials");
  assert.deepEqual(await step.finish({ recovery_code: recovery_codes[0] }), { state: "signed_in" });
  assert.equal(await status(client.fetch(ME)), 200);
});

Deno.test("a limited sign-in names its duty; changePassword() does it and lets in", loose, async () => {
  const email = "lim@client.test";
  await people.join(acme, email);
  ok(await people.post("/v1/accounts/require-password-change", await people.app.operator(), { email }));
  const { client, clock, saved } = clientOf();
  const step = await client.signIn({ email, password: PASSWORD });
  assert.deepEqual([step, saved], [{ state: "limited", duty: "change_password" }, [null]]);
  const refusal = await client.fetch("/v1/buildings");
  assert.deepEqual([refusal.status, (await refusal.json()).code], [403, "password_change_required"]);
  clock.ahead = 16 * MINUTE;
  await assert.rejects(client.fetch("/v1/auth/me"), SessionEndedError, "a limited token is not refreshed");
  [clock.ahead] = [0, await client.signIn({ email, password: PASSWORD })];
  assert.deepEqual(await client.changePassword({ current: PASSWORD, next: NEW_PASSWORD }), { state: "signed_in" });
  assert.equal(await status(client.fetch("/v1/auth/sessions")), 200);
});

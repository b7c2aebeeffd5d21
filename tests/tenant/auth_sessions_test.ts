// Who is signed in where: listing and ending sessions, one's own and as who looks after members. An ended session stops at its
// next statement, also in a process that heard of nothing.
import assert from "node:assert/strict";
import { nextRefreshToken } from "../../src/identity/refresh_tokens.ts";
import { newSecretToken } from "../../src/identity/secret_tokens.ts";
import type { TestProcess, TestTenant } from "../support/app.ts";
import { adminSql } from "../support/postgres.ts";
import { loose, ok, People, refused } from "./auth_people.ts";

let people: People;
let second: TestProcess;
let acme: TestTenant;
let globex: TestTenant;
const ida = "ida@sessions.test";
Deno.test.beforeAll(async () => {
  people = await People.boot();
  [acme, globex] = await Promise.all([people.app.tenant("sess-acme"), people.app.tenant("sess-globex")]);
  second = await people.app.secondProcess({ listen: false });
  await people.join(acme, ida);
});
Deno.test.afterAll(async () => {
  await second.stop();
  await people.end();
});

// deno-lint-ignore no-explicit-any -- as the API gives them
async function list(token: string, path = "/v1/auth/sessions"): Promise<any[]> {
  return ok(await people.app.ask("GET", path, { token })).body.items;
}

async function memberId(): Promise<string> {
  return ok(await people.app.ask("GET", "/v1/members?search=ida", { token: acme.admin })).body.items[0].id;
}

Deno.test("auth.sessions lists where one is signed in, and nothing of others", loose, async () => {
  const headers = { "user-agent": "A browser of Ida's" };
  const body = { email: ida, password: "a long member passphrase" };
  const first = ok(await people.app.ask("POST", "/v1/auth/login", { tenant: acme.slug, body, headers })).body;
  const next = await people.enter(acme.slug, ida);
  const items = await list(next.access_token);
  assert.deepEqual(items.map(({ current, kind, mfa }) => [current, kind, mfa]), [
    [true, "password", false],
    [false, "password", false],
  ]);
  assert.equal(items[1].agent, headers["user-agent"]);
  assert.equal(items[1].address, "127.0.0.1");
  assert.ok(!/hash|token/.test(JSON.stringify(items)));
  ok(await people.refresh(acme.slug, first.refresh_token));
  const [, refreshed] = await list(next.access_token);
  assert.ok(refreshed.refreshed_at > items[1].refreshed_at);
});

/** Lets time pass since the last refresh of a session. */
async function lastRefreshed(refreshToken: string, seconds: number): Promise<void> {
  const sql = await adminSql(people.app.services.servers.settings.sharedDatabase);
  const { count } = await sql`update tenant.sessions set refreshed_at = now() - ${seconds} * interval '1 second'
    where id = ${refreshToken.split(".")[0]}`;
  await sql.end();
  assert.equal(count, 1);
}

Deno.test(
  "auth.refresh gives who did not get its answer the same next token again, for thirty seconds",
  loose,
  async () => {
    const { refresh_token: first } = await people.enter(acme.slug, ida);
    const lost = ok(await people.refresh(acme.slug, first)).body;
    await lastRefreshed(first, 25);
    const again = ok(await people.refresh(acme.slug, first)).body;
    assert.equal(again.refresh_token, lost.refresh_token);
    assert.ok(await people.works(again.access_token) && await people.works(lost.access_token));
    const next = ok(await people.refresh(acme.slug, again.refresh_token)).body;
    assert.equal(new Set([first, again.refresh_token, next.refresh_token]).size, 3);
    assert.ok(await people.works(next.access_token));
    const others = [await people.enter(acme.slug, ida), await people.enter(acme.slug, ida)];
    const nexts = await Promise.all(others.map((one) => people.refresh(acme.slug, one.refresh_token)));
    assert.notEqual(ok(nexts[0]).body.refresh_token.split(".")[1], ok(nexts[1]).body.refresh_token.split(".")[1]);
  },
);

Deno.test("auth.refresh ends the session of which a used token comes after thirty seconds", loose, async () => {
  const { refresh_token: copied } = await people.enter(acme.slug, ida);
  const next = ok(await people.refresh(acme.slug, copied)).body;
  await lastRefreshed(copied, 31);
  assert.ok(await people.works(next.access_token));
  const before = people.app.lines.length;
  refused(await people.refresh(acme.slug, copied), "401 invalid_token");
  assert.ok(people.app.lines.slice(before).some((line) => line.includes('"alarm"') && line.includes("came again")));
  assert.equal(await people.works(next.access_token), false);
  refused(await people.refresh(acme.slug, next.refresh_token), "401 invalid_token");
});

/** Refreshes so many times; the tokens in their order, and what the last one came with. */
async function refreshed(slug: string, first: string, times: number) {
  const tokens = [first];
  let last = { access_token: "", refresh_token: first };
  for (let i = 0; i < times; i++) {
    last = ok(await people.refresh(slug, last.refresh_token)).body;
    tokens.push(last.refresh_token);
  }
  return { tokens, last };
}

Deno.test("auth.refresh ends the session of which any earlier token comes, whatever its kind", loose, async (t) => {
  await people.join(globex, ida);
  const kinds = {
    password: async () => (await people.enter(globex.slug, ida)).refresh_token,
    switch: async () => {
      const { access_token: token } = await people.enter(acme.slug, ida);
      return ok(await people.post("/v1/auth/switch", token, { tenant: globex.slug })).body.refresh_token;
    },
  };
  for (const [kind, begin] of Object.entries(kinds)) {
    for (const stale of [0, 2]) {
      await t.step(`${kind}: the one of ${4 - stale} refreshes ago`, async () => {
        const { tokens, last } = await refreshed(globex.slug, await begin(), 4);
        assert.ok(await people.works(last.access_token, second));
        refused(await people.refresh(globex.slug, tokens[stale]), "401 invalid_token");
        assert.equal(await people.works(last.access_token, second), false);
        refused(await people.refresh(globex.slug, tokens[4]), "401 invalid_token");
        const sql = await adminSql(people.app.services.servers.settings.sharedDatabase);
        const [row] = await sql`select kind, revoked_reason from tenant.sessions where id = ${tokens[0].split(".")[0]}`;
        await sql.end();
        assert.deepEqual([row.kind, row.revoked_reason], [kind, "reuse"]);
      });
    }
  }
});

Deno.test("who knows a session, but none of its tokens, does not end it", loose, async () => {
  const { tokens, last } = await refreshed(acme.slug, (await people.enter(acme.slug, ida)).refresh_token, 2);
  await lastRefreshed(tokens[0], 3_600);
  const [sessionId, secret, ...proof] = tokens[0].split(".");
  const other = (await people.enter(acme.slug, ida)).refresh_token.split(".")[1];
  const elsewhere = nextSecretOf(other);
  const changed = secret.slice(0, -1) + (secret.endsWith("A") ? "Q" : "A");
  for (const made of [newSecretToken("bhr").token, other, elsewhere, changed, secret.toUpperCase(), `${secret}A`]) {
    for (const text of [[sessionId, made, ...proof], [sessionId, made]]) {
      refused(await people.refresh(acme.slug, text.join(".")), "401 invalid_token");
    }
  }
  refused(await people.refresh(acme.slug, tokens[2].split(".").slice(0, 2).join(".")), "401 invalid_token");
  assert.ok(await people.works(last.access_token));
  const next = ok(await people.refresh(acme.slug, tokens[2])).body;
  await lastRefreshed(tokens[0], 3_600);
  refused(await people.refresh(acme.slug, tokens[0]), "401 invalid_token");
  assert.equal(await people.works(next.access_token), false, "one of its tokens does");
});

/** A token that was made here, though for another tenant's session. */
function nextSecretOf(token: string): string {
  const { sessionKey } = people.app.services.servers;
  return nextRefreshToken(sessionKey, { tenantId: globex.id, sessionId: crypto.randomUUID() }, token).token;
}

Deno.test("auth.refresh gives nothing again to who may not go on any more", loose, async () => {
  const { refresh_token, access_token: token } = await people.enter(acme.slug, ida);
  const next = ok(await people.refresh(acme.slug, refresh_token)).body;
  ok(await people.app.ask("POST", "/v1/auth/logout", { token: next.access_token }), 204);
  refused(await people.refresh(acme.slug, refresh_token), "401 invalid_token");
  assert.equal(await people.works(token), false);
  const other = await people.enter(acme.slug, ida);
  const alive = ok(await people.refresh(acme.slug, other.refresh_token)).body;
  const [sessionId, , ...proof] = other.refresh_token.split(".");
  const secret = refresh_token.split(".")[1];
  refused(await people.refresh(acme.slug, [sessionId, secret, ...proof].join(".")), "401 invalid_token");
  refused(await people.refresh(acme.slug, other.refresh_token.split(".").slice(0, 2).join(".")), "401 invalid_token");
  refused(await people.refresh(globex.slug, other.refresh_token), "401 invalid_token");
  assert.ok(await people.works(alive.access_token), "nothing of this says that it was stolen");
});

Deno.test("auth.revokeSession ends one of one's own at its next statement in every process", loose, async () => {
  const [mine, lost] = [await people.enter(acme.slug, ida), await people.enter(acme.slug, ida)];
  for (const process of [people.app, second]) assert.ok(await people.works(lost.access_token, process));
  const { id } = (await list(lost.access_token)).find(({ current }) => current);
  ok(await people.app.ask("DELETE", `/v1/auth/sessions/${id}`, { token: mine.access_token }), 204);
  for (const process of [second, people.app]) {
    assert.equal(await people.works(lost.access_token, process), false);
    assert.equal(await people.works(mine.access_token, process), true);
  }
  refused(await people.refresh(acme.slug, lost.refresh_token), "401 invalid_token");
  ok(await people.refresh(acme.slug, mine.refresh_token));
  refused(await people.app.ask("DELETE", `/v1/auth/sessions/${id}`, { token: mine.access_token }), "404 not_found");
});

Deno.test("auth.revokeSession does not reach another member's session", loose, async () => {
  const mine = await people.enter(acme.slug, ida);
  const admin = (await list(acme.admin)).find(({ current }) => current);
  refused(
    await people.app.ask("DELETE", `/v1/auth/sessions/${admin.id}`, { token: mine.access_token }),
    "404 not_found",
  );
  assert.ok(await people.works(acme.admin));
});

Deno.test("auth.revokeSessions ends all others and keeps the one that asks", loose, async () => {
  const others = [await people.enter(acme.slug, ida), await people.enter(acme.slug, ida)];
  const mine = await people.enter(acme.slug, ida);
  ok(await people.post("/v1/auth/sessions/revoke-all", mine.access_token), 204);
  for (const { access_token } of others) assert.equal(await people.works(access_token, second), false);
  assert.ok(await people.works(mine.access_token, second));
  assert.equal((await list(mine.access_token)).length, 1);
});

Deno.test("members.sessions and members.revokeSessions are for who may look after members", loose, async () => {
  const [one, two] = [await people.enter(acme.slug, ida), await people.enter(acme.slug, ida)];
  const id = await memberId();
  const path = `/v1/members/${id}/sessions`;
  refused(await people.app.ask("GET", path, { token: one.access_token }), "403 forbidden");
  refused(await people.post(`${path}/revoke`, one.access_token, {}), "403 forbidden");
  refused(await people.app.ask("GET", path, { token: globex.admin }), "404 not_found");
  refused(await people.post(`${path}/revoke`, globex.admin, {}), "404 not_found");
  const items = await list(acme.admin, path);
  assert.ok(items.length >= 2 && items.every(({ current }) => !current));
  const { id: youngest } = items[0];
  ok(await people.post(`${path}/revoke`, acme.admin, { session_id: youngest }), 204);
  assert.deepEqual([await people.works(one.access_token, second), await people.works(two.access_token, second)], [
    true,
    false,
  ]);
  refused(await people.post(`${path}/revoke`, acme.admin, { session_id: youngest }), "404 not_found");
  ok(await people.post(`${path}/revoke`, acme.admin, {}), 204);
  assert.equal(await people.works(one.access_token, second), false);
  assert.deepEqual(await list(acme.admin, path), []);
  refused(await people.refresh(acme.slug, one.refresh_token), "401 invalid_token");
});

Deno.test("auth.logout ends the session, its access token too", loose, async () => {
  const mine = await people.enter(acme.slug, ida);
  ok(await people.post("/v1/auth/logout", mine.access_token), 204);
  assert.equal(await people.works(mine.access_token, second), false);
});

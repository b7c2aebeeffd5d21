// What a member does to get in and out: single-use links, rotating refresh tokens, who am I, adding a colleague.
import assert from "node:assert/strict";
import type { Client } from "./client.ts";
import { PASSWORD, signIn, type Tenant } from "./tenants.ts";

/** The steps, on one tenant. */
export async function signingIn(t: Deno.TestContext, client: Client, tenant: Tenant): Promise<void> {
  const { slug, email, token } = tenant;

  await t.step("the setup link works once", async () => {
    const body = { token: tenant.setupToken, password: "another long password, please" };
    await client.refused(401, "invalid_token", "POST", "/v1/auth/setup-password", { tenant: slug, body });
    await signIn(client, slug, email);
  });

  await t.step("auth.me says who and where, by every way to name the tenant", async () => {
    for (const path of ["/v1/auth/me", `/t/${slug}/v1/auth/me`]) {
      const me = await client.expect(200, "GET", path, { token });
      assert.deepEqual([me.member.email, me.member.role], [email, "admin"]);
      assert.deepEqual([me.tenant.id, me.tenant.slug, me.tenant.tier], [tenant.id, slug, tenant.tier]);
      assert.deepEqual([me.tenant.time_zone, me.tenant.currency], ["America/Toronto", "CAD"]);
    }
    await client.expect(200, "GET", "/v1/auth/me", { token, tenant: slug });
    await client.expect(200, "GET", "/v1/auth/me", { token, tenant: tenant.id });
    await client.refused(401, "unauthorized", "GET", "/v1/auth/me", { tenant: slug });
  });

  await t.step("a wrong password and an unknown address are answered the same", async () => {
    const wrong = { email, password: "a wrong but long password" };
    const unknown = { email: `nobody@${slug}.test`, password: PASSWORD };
    const answers = [];
    for (const body of [wrong, unknown]) {
      const { request_id: _, ...answer } = await client.refused(401, "invalid_credentials", "POST", "/v1/auth/login", {
        tenant: slug,
        body,
      });
      answers.push(answer);
    }
    assert.deepEqual(answers[0], answers[1]);
  });

  await t.step("a refresh token gives one next token, however often and however many ask at once", async () => {
    const first = await signIn(client, slug, email);
    const refresh = { tenant: slug, body: { refresh_token: first.refresh_token } };
    const second = await client.expect(200, "POST", "/v1/auth/refresh", refresh);
    assert.notEqual(second.refresh_token, first.refresh_token);
    await client.expect(200, "GET", "/v1/auth/me", { token: second.access_token });
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => client.expect(200, "POST", "/v1/auth/refresh", refresh)),
    );
    assert.deepEqual(new Set(answers.map((answer) => answer.refresh_token)), new Set([second.refresh_token]));
    const next = { tenant: slug, body: { refresh_token: second.refresh_token } };
    await client.expect(200, "POST", "/v1/auth/refresh", next);
    await client.refused(401, "invalid_token", "POST", "/v1/auth/refresh", refresh);
  });

  await t.step("of many who use a fresh refresh token at once, all get the same next one", async () => {
    const { refresh_token } = await signIn(client, slug, email);
    const answers = await Promise.all(
      Array.from(
        { length: 6 },
        () => client.expect(200, "POST", "/v1/auth/refresh", { tenant: slug, body: { refresh_token } }),
      ),
    );
    assert.equal(new Set(answers.map((answer) => answer.refresh_token)).size, 1);
  });

  await t.step("after logout the session's refresh token is worth nothing", async () => {
    const mine = await signIn(client, slug, email);
    await client.expect(204, "POST", "/v1/auth/logout", { token: mine.access_token });
    const body = { refresh_token: mine.refresh_token };
    await client.refused(401, "invalid_token", "POST", "/v1/auth/refresh", { tenant: slug, body });
  });

  await t.step("a member is added, comes in by mail, and may do what the role allows", async () => {
    const colleague = { first_name: "Carl", last_name: "Colleague", email: `carl@${slug}.test`, role: "member" };
    const made = await client.expect(201, "POST", "/v1/members", { token, body: colleague });
    assert.equal(made.status, "pending");
    assert.ok(!JSON.stringify(made).includes("password_hash"));
    await client.refused(409, "already_exists", "POST", "/v1/members", {
      token,
      body: { ...colleague, email: `CARL@${slug}.test` },
    });
    const body = { token: await client.mailedToken(colleague.email), password: PASSWORD };
    await client.expect(204, "POST", "/v1/auth/setup-password", { tenant: slug, body });
    const { access_token } = await signIn(client, slug, colleague.email.toUpperCase());
    await client.expect(200, "GET", "/v1/buildings", { token: access_token });
    const building = { name: "Not allowed", address: "1", city: "Here", country: "CA" };
    await client.refused(403, "forbidden", "POST", "/v1/buildings", { token: access_token, body: building });
    await client.refused(403, "forbidden", "POST", "/v1/members", { token: access_token, body: colleague });
    const active = await client.walk("/v1/members?status=active&sort=last_name", token);
    assert.deepEqual(active.rows.map((row) => row.last_name), ["Colleague", "Owner"]);
    assert.deepEqual((await client.walk("/v1/members?role=admin", token)).rows.map((row) => row.email), [email]);
  });
}

// Signing in from a page: with `"session": "cookie"` the tokens are in cookies that no script can read, and in no body.
import assert from "node:assert/strict";
import { createApp } from "../../src/app.ts";
import { totpCode } from "../../src/identity/totp.ts";
import type { Answer, TestTenant } from "../support/app.ts";
import { loose, NEW_PASSWORD, ok, PASSWORD, People, refused } from "./auth_people.ts";

let people: People;
let acme: TestTenant;
let globex: TestTenant;
const ida = "ida@cookies.test";
Deno.test.beforeAll(async () => {
  people = await People.boot();
  [acme, globex] = await Promise.all([people.app.tenant("cook-acme"), people.app.tenant("cook-globex")]);
  await people.join(acme, ida);
  await people.join(globex, ida);
});
Deno.test.afterAll(() => people.end());

/** A browser on a page of the platform's own host. */
class Browser {
  jar = new Map<string, string>();

  async send(method: string, path: string, body?: unknown): Promise<Answer> {
    const cookie = [...this.jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const headers = { origin: people.app.url, ...(cookie && { cookie }) };
    const answer = await people.app.ask(method, `/t/${acme.slug}${path}`, { headers, body });
    this.#keep(answer);
    return answer;
  }

  /** On the path of another tenant. */
  async at(slug: string, method: string, path: string, body?: unknown): Promise<Answer> {
    const cookie = [...this.jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await people.app.ask(method, `/t/${slug}${path}`, {
      headers: { origin: people.app.url, cookie },
      body,
    });
    this.#keep(answer);
    return answer;
  }

  #keep(answer: Answer): void {
    for (const line of answer.headers.getSetCookie()) {
      assert.match(line, /; HttpOnly/);
      assert.match(line, /; SameSite=Strict/);
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)!;
      if (value === "" || /Max-Age=0/.test(line)) this.jar.delete(name);
      else this.jar.set(name, value);
    }
    assert.ok(!/access_token":"|refresh_token":"|eyJ/.test(JSON.stringify(answer.body)), "a token is in the body");
  }
}

async function signedIn(): Promise<Browser> {
  const browser = new Browser();
  const body = { email: ida, password: PASSWORD, session: "cookie" };
  const answer = ok(await browser.send("POST", "/v1/auth/login", body));
  assert.deepEqual(Object.keys(answer.body).sort(), ["expires_in", "must_change_password", "state"]);
  assert.deepEqual([...browser.jar.keys()], ["bulkhead_access", "bulkhead_refresh"]);
  return browser;
}

Deno.test("auth.login, auth.refresh and auth.logout work with cookies alone", loose, async () => {
  const browser = await signedIn();
  assert.equal(ok(await browser.send("GET", "/v1/auth/me")).body.member.email, ida);
  const before = new Map(browser.jar);
  ok(await browser.send("POST", "/v1/auth/refresh", { session: "cookie" }));
  assert.notEqual(browser.jar.get("bulkhead_refresh"), before.get("bulkhead_refresh"));
  ok(await browser.send("GET", "/v1/auth/me"));
  const copied = new Browser();
  copied.jar = new Map(browser.jar);
  ok(await browser.send("POST", "/v1/auth/logout"), 204);
  assert.equal(browser.jar.size, 0);
  refused(await copied.send("GET", "/v1/auth/me"), "401 unauthorized");
  refused(await copied.send("POST", "/v1/auth/refresh", { session: "cookie" }), "401 invalid_token");
});

Deno.test("auth.logout needs the cookie with the refresh token alone, which outlives the other", loose, async () => {
  const browser = await signedIn();
  const copied = new Browser();
  copied.jar = new Map(browser.jar);
  const refresh = browser.jar.get("bulkhead_refresh")!;
  browser.jar.delete("bulkhead_access");
  refused(await browser.at(globex.slug, "POST", "/v1/auth/logout"), "401 invalid_token");
  browser.jar.set("bulkhead_refresh", `${refresh.split(".")[0]}.bhr_${"x".repeat(43)}`);
  refused(await browser.send("POST", "/v1/auth/logout"), "401 invalid_token"); // made up
  ok(await copied.send("GET", "/v1/auth/me"));
  browser.jar.set("bulkhead_refresh", refresh);
  ok(await browser.send("POST", "/v1/auth/logout"), 204);
  assert.equal(browser.jar.size, 0);
  refused(await copied.send("GET", "/v1/auth/me"), "401 unauthorized");
  refused(await copied.send("POST", "/v1/auth/refresh", {}), "401 invalid_token");
  refused(await browser.send("POST", "/v1/auth/logout"), "401 unauthorized");
  const again = await signedIn();
  const last = again.jar.get("bulkhead_refresh")!;
  ok(await again.send("POST", "/v1/auth/refresh", {}));
  copied.jar = new Map(again.jar);
  again.jar = new Map([["bulkhead_refresh", last]]);
  ok(await again.send("POST", "/v1/auth/logout"), 204);
  refused(await copied.send("GET", "/v1/auth/me"), "401 unauthorized");
});

Deno.test("auth.switch and auth.changePassword renew the cookies", loose, async () => {
  const browser = await signedIn();
  ok(await browser.send("POST", "/v1/auth/switch", { tenant: globex.slug, session: "cookie" }));
  assert.equal(ok(await browser.at(globex.slug, "GET", "/v1/auth/me")).body.tenant.slug, globex.slug);
  refused(await browser.send("GET", "/v1/auth/me"), "403 tenant_mismatch");
  const change = { current_password: PASSWORD, new_password: NEW_PASSWORD, session: "cookie" };
  ok(await browser.at(globex.slug, "POST", "/v1/auth/change-password", change));
  ok(await browser.at(globex.slug, "GET", "/v1/auth/me"));
  const back = { current_password: NEW_PASSWORD, new_password: PASSWORD, session: "cookie" };
  ok(await browser.at(globex.slug, "POST", "/v1/auth/change-password", back));
});

Deno.test("a session in cookies leaves as cookies, whatever a script asks for", loose, async (t) => {
  // The browser's own check fails for each answer with a token in its body.
  for (const session of [{}, { session: "body" }]) {
    await t.step(JSON.stringify(session), async () => {
      const browser = await signedIn();
      const before = browser.jar.get("bulkhead_refresh");
      assert.equal(ok(await browser.send("POST", "/v1/auth/refresh", session)).body.state, "cookie");
      assert.notEqual(browser.jar.get("bulkhead_refresh"), before);
      const change = { current_password: PASSWORD, new_password: NEW_PASSWORD, ...session };
      assert.equal(ok(await browser.send("POST", "/v1/auth/change-password", change)).body.state, "cookie");
      const back = { current_password: NEW_PASSWORD, new_password: PASSWORD, ...session };
      assert.equal(ok(await browser.send("POST", "/v1/auth/change-password", back)).body.state, "cookie");
      const there = await browser.send("POST", "/v1/auth/switch", { tenant: globex.slug, ...session });
      assert.equal(ok(there).body.state, "cookie");
      ok(await browser.at(globex.slug, "GET", "/v1/auth/me"));
    });
  }
});

/** Asks the same app at another host. */
async function at(host: string, path: string, body: unknown, headers: Record<string, string>): Promise<Answer> {
  const app = createApp(people.app.services, { baseDomain: "localhost", platform: ["127.0.0.1", "localhost"] });
  const all = { origin: `http://${host}`, "content-type": "application/json", ...headers };
  const request = new Request(`http://${host}${path}`, { method: "POST", headers: all, body: JSON.stringify(body) });
  const answer = await app.fetch(request);
  return { status: answer.status, headers: answer.headers, body: JSON.parse(await answer.text()) };
}

Deno.test(
  "auth.switch puts no other tenant's cookies at a tenant's own host, and ends nothing there",
  loose,
  async () => {
    const host = `${acme.slug}.localhost`;
    const browser = await signedIn();
    const cookie = [...browser.jar].map(([name, value]) => `${name}=${value}`).join("; ");
    for (const session of [{}, { session: "body" }, { session: "cookie" }]) {
      const answer = await at(host, "/v1/auth/switch", { tenant: globex.slug, ...session }, { cookie });
      refused(answer, "400 invalid_request");
      assert.match(answer.body.detail, /^Sign in at that tenant's host/);
    }
    const { access_token } = await people.enter(acme.slug, ida);
    const authorization = `Bearer ${access_token}`;
    const asked = { tenant: globex.slug, session: "cookie" };
    refused(await at(host, "/v1/auth/switch", asked, { authorization }), "400 invalid_request");
    await people.platform`insert into platform.domains (id, tenant_id, host, verified_at)
    values (${crypto.randomUUID()}, ${acme.id}, 'cook.example', now())`;
    people.app.services.directory.forgetAll();
    refused(await at("cook.example", "/v1/auth/switch", asked, { authorization }), "400 invalid_request");
    ok(await browser.send("GET", "/v1/auth/me"));
    const { state } = ok(await at(host, "/v1/auth/switch", { tenant: globex.slug }, { authorization })).body;
    assert.equal(state, "signed_in", "a token in the body is of no host");
  },
);

Deno.test("a second factor and a required one keep the tokens in cookies too", loose, async () => {
  await people.shared`insert into tenant.access_settings (tenant_id, mfa_required) values (${acme.id}, true)`;
  const browser = new Browser();
  const credentials = { email: ida, password: PASSWORD, session: "cookie" };
  const limited = ok(await browser.send("POST", "/v1/auth/login", credentials)).body;
  assert.deepEqual([limited.state, limited.access_token, [...browser.jar.keys()]], ["limited", null, [
    "bulkhead_access",
  ]]);
  refused(await browser.send("GET", "/v1/buildings"), "403 mfa_required");
  const start = ok(await browser.send("POST", "/v1/auth/factors/totp", {})).body;
  const confirm = { id: start.id, code: totpCode(start.secret) };
  assert.equal(ok(await browser.send("POST", "/v1/auth/factors/totp/confirm", confirm)).body.signed_in.state, "cookie");
  ok(await browser.send("GET", "/v1/buildings"));
  const next = new Browser();
  const { mfa_token } = ok(await next.send("POST", "/v1/auth/login", credentials)).body;
  await people.platform`update platform.account_factors set counter = 0`;
  ok(await next.send("POST", "/v1/auth/mfa", { mfa_token, code: totpCode(start.secret), session: "cookie" }));
  ok(await next.send("GET", "/v1/buildings"));
});

// Pages elsewhere and cookies, in a real browser: it reads what it may, and what it sends by itself is refused here.
import assert from "node:assert/strict";
import type { Browser } from "playwright-core";
import { createApp } from "../../src/app.ts";
import { endSession, keepSession } from "../../src/http/cookies.ts";
import { bootApp, type TestApp, type TestTenant } from "../support/app.ts";
import { browserIsThere, fetchIn, openBrowser, openPage } from "./chromium.ts";

const BUILDING = { name: "House", address: "1", city: "C", country: "CA" };
const options = { ignore: !browserIsThere(), sanitizeOps: false, sanitizeResources: false };

let app: TestApp;
let tenant: TestTenant;
let browser: Browser;
/** The same platform with a route that signs in by cookie; and a page of somebody else's. */
let served: Deno.HttpServer<Deno.NetAddr>, elsewhere: Deno.HttpServer<Deno.NetAddr>;

const here = (host = "acorn.localhost") => `http://${host}:${served.addr.port}`;
const there = (host = "localhost") => `http://${host}:${elsewhere.addr.port}`;

Deno.test.beforeAll(async () => {
  if (options.ignore) return;
  app = await bootApp();
  [tenant, browser] = [await app.tenant("acorn"), await openBrowser()];
  let handle: Deno.ServeHandler = () => new Response();
  const listen = (handler: Deno.ServeHandler) =>
    Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, handler) as Deno.HttpServer<Deno.NetAddr>;
  served = listen((request, info) => handle(request, info));
  elsewhere = listen(() =>
    new Response("<!doctype html><title>x</title>", { headers: { "content-type": "text/html" } })
  );
  const services = { ...app.services, publicUrl: here("localhost") };
  const signing = createApp(services, { baseDomain: "localhost", platform: ["localhost"] });
  const tokens = { access: tenant.admin, accessSeconds: 900, refresh: "x.bhr_x", refreshSeconds: 900 };
  signing.post("/test/sign-in", (c) => (keepSession(c.req.raw, tokens), c.json({})));
  signing.post("/test/sign-out", (c) => (endSession(c.req.raw), c.json({})));
  handle = (request) => signing.fetch(request);
});
Deno.test.afterAll(async () => {
  await browser?.close();
  await Promise.all([served?.shutdown(), elsewhere?.shutdown()]);
  await app?.stop();
});

async function list(origins: string[]): Promise<void> {
  const answer = await app.ask("PUT", "/v1/origins", { token: tenant.admin, body: { origins } });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
}

async function buildings(): Promise<number> {
  return (await app.ask("GET", "/v1/buildings", { token: tenant.admin })).body.items.length;
}

const json = (headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify(BUILDING),
});

Deno.test("a page elsewhere reads and changes nothing, until the tenant lists its origin", options, async () => {
  const { page, close } = await openPage(browser);
  await page.goto(there());
  const headers = { authorization: `Bearer ${tenant.admin}`, "x-tenant": "acorn" };
  const urls = [`${here("localhost")}/v1/buildings`, `${here()}/v1/buildings`];
  const before = await buildings();
  await list([]);
  for (const url of urls) {
    assert.equal(await fetchIn(page, url, { headers }), "blocked");
    assert.equal(await fetchIn(page, url, json(headers)), "blocked");
  }
  assert.equal(await buildings(), before);
  await list([there()]);
  for (const url of urls) {
    assert.equal(await fetchIn(page, url, { headers }), 200);
    assert.equal(await fetchIn(page, url, json(headers)), 201);
  }
  assert.equal(await buildings(), before + 2);
  assert.equal(await fetchIn(page, `${here("localhost")}/health`), "blocked");
  await close();
});

Deno.test("a session in cookies works for pages of its host, and no script reads it", options, async () => {
  const { page, close } = await openPage(browser);
  await page.goto(`${here()}/docs`);
  assert.equal(await fetchIn(page, "/v1/buildings"), 401);
  assert.equal(await fetchIn(page, "/test/sign-in", { method: "POST" }), 200);
  assert.equal(await page.evaluate("document.cookie"), "");
  assert.deepEqual((await page.context().cookies()).map(({ name, httpOnly, sameSite }) => [name, httpOnly, sameSite]), [
    ["bulkhead_access", true, "Strict"],
    ["bulkhead_refresh", true, "Strict"],
  ]);
  assert.equal(await fetchIn(page, "/v1/buildings"), 200);
  assert.equal(await fetchIn(page, "/v1/buildings", json()), 201);
  assert.equal(await fetchIn(page, "/test/sign-out", { method: "POST" }), 200);
  assert.equal(await fetchIn(page, "/v1/buildings"), 401);
  await close();
});

/** Sends a form from the page, as `<form method="post">` does, and gives the answer and whether the cookie came along. */
async function submit(page: Awaited<ReturnType<typeof openPage>>["page"], action: string) {
  const answered = page.waitForResponse(action);
  await page.evaluate(`const form = document.createElement("form"), input = document.createElement("input");
    Object.assign(form, { method: "post", enctype: "text/plain", action: ${JSON.stringify(action)} });
    Object.assign(input, { name: '{"name":"House","x":"', value: '"}' });
    form.append(input);
    document.body.append(form);
    form.submit();`);
  const answer = await answered;
  const { cookie = "" } = await answer.request().allHeaders();
  return { status: answer.status(), text: await answer.text(), withCookie: cookie.includes("bulkhead_access=") };
}

Deno.test(
  "a form on a page elsewhere changes nothing, whether the browser sends the cookie with it or not",
  options,
  async () => {
    const { page, close } = await openPage(browser);
    await page.goto(`${here()}/docs`);
    assert.equal(await fetchIn(page, "/test/sign-in", { method: "POST" }), 200);
    const before = await buildings();
    await page.goto(there("other.localhost"));
    const foreign = await submit(page, `${here()}/v1/buildings`);
    assert.deepEqual([foreign.status, foreign.withCookie], [403, false]);
    // Another port of the same host: for SameSite the same site, so that only the Origin tells.
    await page.goto(there("acorn.localhost"));
    const beside = await submit(page, `${here()}/v1/buildings`);
    assert.deepEqual([beside.status, beside.withCookie], [403, true]);
    assert.match(beside.text, /origin_refused/);
    await page.goto(there("acorn.localhost"));
    const sent = { ...json(), credentials: "include" } as const;
    assert.equal(await fetchIn(page, `${here()}/v1/buildings`, sent), "blocked");
    assert.equal(await fetchIn(page, `${here()}/v1/buildings`, { credentials: "include" }), "blocked");
    assert.equal(await buildings(), before);
    await list([there("acorn.localhost")]);
    assert.equal(await fetchIn(page, `${here()}/v1/buildings`, sent), 201, "its own page on another port");
    assert.equal(await fetchIn(page, `${here()}/v1/buildings`, { credentials: "include" }), 200);
    await close();
  },
);

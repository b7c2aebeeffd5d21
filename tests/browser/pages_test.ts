// Our pages in a real browser: they work, and break no policy of theirs.
import assert from "node:assert/strict";
import type { Browser } from "playwright-core";
import { bootApp, type TestApp } from "../support/app.ts";
import { browserIsThere, openBrowser, openPage } from "./chromium.ts";

const options = { ignore: !browserIsThere(), sanitizeOps: false, sanitizeResources: false };
let app: TestApp;
let browser: Browser;
Deno.test.beforeAll(async () => {
  if (!options.ignore) [app, browser] = [await bootApp({ worker: false }), await openBrowser()];
});
Deno.test.afterAll(async () => {
  await browser?.close();
  await app?.stop();
});

Deno.test(
  "the page of the API's documentation shows and tries operations without breaking its policy",
  options,
  async () => {
    const { page, violations, complaints, close } = await openPage(browser);
    await page.goto(`${app.url}/docs`);
    await page.locator(".opblock").first().waitFor();
    for (const one of (await page.locator(".opblock-summary-control").all()).slice(0, 4)) await one.click();
    const health = page.locator(".opblock", { has: page.locator('[data-path="/health"]') });
    await health.locator(".execute").click();
    await health.locator(".live-responses-table .response-col_status", { hasText: "200" }).waitFor();
    await page.locator(".btn.authorize").click();
    await page.locator(".auth-container input").first().waitFor();
    assert.deepEqual(await violations(), []);
    assert.deepEqual(complaints, []);
    await close();
  },
);

Deno.test("the page that sets a password works without breaking its policy", options, async () => {
  const { page, violations, complaints, close } = await openPage(browser);
  await page.goto(`${app.url}/t/some-tenant/setup-password#token=${"x".repeat(40)}`);
  assert.equal(await page.evaluate("getComputedStyle(document.body).maxWidth"), "416px");
  await page.locator("#new").fill("a long passphrase");
  await page.locator("#again").fill("another passphrase");
  await page.locator("button").click();
  assert.equal(await page.locator("output").textContent(), "The two passwords differ.");
  assert.deepEqual(complaints, []);
  await page.locator("#again").fill("a long passphrase");
  await page.locator("button").click();
  await page.locator("output", { hasText: /^(?!The two passwords differ)./ }).waitFor();
  assert.deepEqual(await violations(), []);
  assert.ok(complaints.every((one) => /Failed to load resource.* 4\d\d /.test(one)), complaints.join("\n"));
  await close();
});

Deno.test(
  "the browser reports what breaks a page's policy: inline scripts and styles, frames, markup from text",
  options,
  async () => {
    const { page, violations, complaints, close } = await openPage(browser);
    await page.goto(`${app.url}/t/some-tenant/setup-password#token=x`);
    const plants = [
      `document.body.append(Object.assign(document.createElement("style"), { textContent: "p{}" }))`,
      `document.body.append(Object.assign(document.createElement("script"), { text: "0" }))`,
      `document.body.setAttribute("style", "color: red")`,
      `document.body.append(Object.assign(document.createElement("iframe"), { src: "/health" }))`,
      `document.body.innerHTML = "<p>"`,
      `fetch("https://evil.test/")`,
    ];
    for (const plant of plants) {
      const before = (await violations()).length;
      await page.evaluate(plant).catch(() => {});
      // The page's own policy forbids what would wait inside it.
      for (const end = Date.now() + 20_000; (await violations()).length === before;) assert.ok(Date.now() < end, plant);
    }
    assert.ok(complaints.length >= plants.length);
    await close();
  },
);

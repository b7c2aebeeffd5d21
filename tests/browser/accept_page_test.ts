// The page of an invitation, in a real browser: from the link in the mail to a member who can sign in, under its own policy.
import assert from "node:assert/strict";
import type { Browser } from "playwright-core";
import { ok, PASSWORD, People } from "../tenant/auth_people.ts";
import { browserIsThere, openBrowser, openPage } from "./chromium.ts";

const options = { ignore: !browserIsThere(), sanitizeOps: false, sanitizeResources: false };
let people: People;
let browser: Browser;
Deno.test.beforeAll(async () => {
  if (options.ignore) return;
  [people, browser] = [await People.boot(), await openBrowser()];
});
Deno.test.afterAll(async () => {
  await browser?.close();
  await people?.end();
});

Deno.test(
  "the page of an invitation makes its person a member, and its policy stops nothing of it",
  options,
  async () => {
    const { app } = people;
    const tenant = await app.tenant("accept-page");
    const email = "ina@guests.test";
    const body = { email, role: "manager" };
    ok(await app.ask("POST", "/v1/invitations", { token: tenant.admin, body }), 201);
    const token = await people.mailedToken(email);
    const { page, violations, complaints, close } = await openPage(browser);
    await page.goto(`${app.url}/t/accept-page/accept-invitation#token=${token}`);
    await page.waitForSelector("#tenant:not(:empty)");
    assert.match((await page.textContent("#what"))!, /Organisation accept-page as\s+Manager[^]*ina@guests\.test/);
    await page.fill("#first", "Ina");
    await page.fill("#last", "Invited");
    await page.fill("#new", PASSWORD);
    await page.fill("#again", `${PASSWORD}!`);
    await page.click("button");
    assert.match((await page.textContent("output"))!, /differ/);
    await page.fill("#again", PASSWORD);
    await page.click("button");
    await page.waitForSelector("output[data-kind=good]");
    assert.ok(!page.url().includes("token"));
    assert.deepEqual([await violations(), complaints], [[], []]);
    await people.enter("accept-page", email);
    await close();
  },
);

Deno.test("the page says when its link is of no use", options, async () => {
  const { page, close } = await openPage(browser);
  await page.goto(`${people.app.url}/t/accept-page/accept-invitation#token=${"x".repeat(40)}`);
  await page.waitForSelector("output[data-kind=bad]");
  assert.equal(await page.isVisible("form"), false);
  await close();
});

// The page that an operator's link opens, in a real browser: it sets the password, and breaks no policy of its own.
import assert from "node:assert/strict";
import type { Browser } from "playwright-core";
import { bootApp, type TestApp } from "../support/app.ts";
import { addOperator, mailedLink, OPERATOR_PASSWORD, signInOperator } from "../support/operators.ts";
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

Deno.test("the link in an operator's mail opens a page that sets the password", options, async () => {
  const { email } = await addOperator(app, "support", { sets: false });
  const { page, violations, complaints, close } = await openPage(browser);
  await page.goto(`${app.url}/operators/set-password#token=${await mailedLink(app, email)}`);
  await page.locator("#new").fill(OPERATOR_PASSWORD);
  await page.locator("#again").fill(OPERATOR_PASSWORD);
  await page.locator("button").click();
  await page.locator("output[data-kind=good]").waitFor();
  assert.ok(await signInOperator(app, email));
  assert.deepEqual(await violations(), []);
  assert.deepEqual(complaints, []);
  await close();
});

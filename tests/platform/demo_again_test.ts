// The demo on kept data: where somebody changed what it relies on, it says what to do and not what the API said.
import assert from "node:assert/strict";
import type { Local } from "../../src/cli/local.ts";
import { CAST } from "../../src/demo/cast.ts";
import { Client } from "../../src/demo/client.ts";
import { becomeTenant } from "../../src/demo/story.ts";
import { bootApp, MEMBER_PASSWORD, type TestApp } from "../support/app.ts";

let app: TestApp;
Deno.test.beforeAll(async () => {
  app = await bootApp();
});
Deno.test.afterAll(() => app.stop());

Deno.test("becomeTenant() says to reset where the administrator has another password", async () => {
  const [who] = CAST;
  const { adminEmail } = await app.tenant(who.slug);
  const organisation = { ...who, admin: { ...who.admin, email: adminEmail } };
  const told = async (password: string) => {
    const local = { home: { secrets: { password: () => Promise.resolve(password) } } } as unknown as Local;
    return await becomeTenant(local, new Client(app.url), await app.operator(), organisation);
  };
  await assert.rejects(told("not the password of anybody"), /run "deno task reset"/);
  const [chapter] = await told(MEMBER_PASSWORD);
  assert.equal(chapter.existed, true);
});

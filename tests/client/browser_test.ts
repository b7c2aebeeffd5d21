// `bulkhead/client` in a real browser: two tabs share a refresh token, and only Web Locks and a store that both see alike keep
// them from using it twice, which would end the session as stolen.
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { browserIsThere, openBrowser } from "../browser/chromium.ts";
import { bootApp, MEMBER_PASSWORD } from "../support/app.ts";

const options = { ignore: !browserIsThere(), sanitizeOps: false, sanitizeResources: false };

const ROUNDS = 20;
const PAGE = `<!doctype html><title>x</title><script type="module">
import { browserStore, createClient } from "/client.mjs";
globalThis.ahead = 0;
globalThis.store = browserStore();
globalThis.start = (given) => {
  globalThis.client = createClient({ ...given, auth: { store }, now: () => Date.now() + ahead });
};
globalThis.ask = () => client.fetch("/v1/auth/me").then(({ status }) => status, ({ name }) => name);
globalThis.ready = true;
</script>`;

async function bundle(): Promise<string> {
  const folder = await Deno.makeTempDir();
  const file = join(folder, "client.mjs");
  const args = ["bundle", "--quiet", "--platform", "browser", "-o", file, "src/client/mod.ts"];
  const cwd = fileURLToPath(new URL("../../", import.meta.url));
  const { success } = await new Deno.Command(Deno.execPath(), { args, cwd }).output();
  assert.ok(success);
  const text = await Deno.readTextFile(file);
  await Deno.remove(folder, { recursive: true });
  return text;
}

Deno.test("two tabs refresh in turn: each gets on, and the session lives", options, async () => {
  const [app, browser, script] = [await bootApp(), await openBrowser(), await bundle()];
  const pages = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const module = request.url.endsWith(".mjs");
    const headers = { "content-type": module ? "text/javascript" : "text/html" };
    return new Response(module ? script : PAGE, { headers });
  });
  try {
    const tenant = await app.tenant("tabs");
    const origin = `http://localhost:${pages.addr.port}`;
    const listed = await app.ask("PUT", "/v1/origins", { token: tenant.admin, body: { origins: [origin] } });
    assert.equal(listed.status, 200, JSON.stringify(listed.body));
    const context = await browser.newContext();
    const tabs: Page[] = [await context.newPage(), await context.newPage()];
    for (const tab of tabs) {
      await tab.goto(origin);
      await tab.waitForFunction("globalThis.ready");
      await tab.evaluate(`start(${JSON.stringify({ url: app.url, tenant: tenant.slug })})`);
    }
    const credentials = JSON.stringify({ email: tenant.adminEmail, password: MEMBER_PASSWORD });
    assert.deepEqual(await tabs[0].evaluate(`client.signIn(${credentials})`), { state: "signed_in" });
    for (let round = 1; round <= ROUNDS; round++) {
      const asking = `ahead = ${round * 16 * 60_000}; Promise.all([ask(), ask(), ask()])`;
      const all = await Promise.all(tabs.map((tab) => tab.evaluate(asking)));
      assert.deepEqual(all, [[200, 200, 200], [200, 200, 200]], `round ${round}`);
    }
    assert.equal(app.lines.filter((line) => line.includes('"auth.refresh"')).length, 2 * ROUNDS);
    await tabs[1].evaluate("client.signOut()");
    assert.equal(await tabs[0].evaluate("store.load()"), null);
    assert.equal(await tabs[0].evaluate("ask()"), "SessionEndedError");
  } finally {
    await browser.close();
    await pages.shutdown();
    await app.stop();
  }
});

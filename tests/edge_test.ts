// The edge entry: the same app, called by its host, with a bounded tick instead of a worker.
import assert from "node:assert/strict";
import { readConfig } from "../src/config.ts";
import { createEdge } from "../src/edge.ts";
import { bootApp, MASTER_KEY, type TestApp } from "./support/app.ts";

/** An edge beside a platform that has no worker: what is queued waits for the tick. */
async function withEdge(work: (app: TestApp, edge: ReturnType<typeof createEdge>) => Promise<void>): Promise<void> {
  const app = await bootApp({ worker: false });
  const { host, port, platformDatabase } = app.services.servers.settings;
  const edge = createEdge(readConfig({
    DATABASE_URL: `postgres://${host}:${port}/${platformDatabase}`,
    BULKHEAD_MASTER_KEY: MASTER_KEY,
    PUBLIC_URL: "https://api.example.test",
    TICK_SECRET: "a tick secret of decent length",
    LOG_LEVEL: "silent",
  }));
  try {
    await work(app, edge);
  } finally {
    await edge.stop();
    await app.stop();
  }
}

const at = (path: string) => `https://api.example.test${path}`;

Deno.test("createEdge() serves the same routes, and its tick works what is queued", async (t) => {
  await withEdge(async (app, edge) => {
    await t.step("health and the API document answer", async () => {
      assert.equal((await edge.fetch(new Request(at("/health")))).status, 200);
      assert.equal((await edge.fetch(new Request(at("/ready")))).status, 200);
      assert.equal((await (await edge.fetch(new Request(at("/openapi.json")))).json()).openapi, "3.1.0");
    });

    await t.step("the tick is refused without its secret", async () => {
      for (const authorization of ["", "Bearer wrong", "Bearer a tick secret of decent lengt"]) {
        const request = new Request(at("/tick"), { method: "POST", headers: { authorization } });
        assert.equal((await edge.fetch(request)).status, 401);
      }
    });

    await t.step("an approved application is provisioned by a tick and not before", async () => {
      const body = {
        organization_name: "Edge Estates",
        slug: "edge-estates",
        contact_first_name: "Eda",
        contact_last_name: "Edge",
        contact_email: "eda@edge.test",
      };
      const submitted = await app.ask("POST", "/v1/applications", { body });
      const token = await app.operator();
      const path = `/v1/applications/${submitted.body.id}`;
      const approved = await app.ask("POST", `${path}/approve`, { token, body: { tier: "shared" } });
      assert.equal(approved.status, 202);
      assert.equal((await app.ask("GET", path, { token })).body.status, "approved");
      const request = new Request(at("/tick"), {
        method: "POST",
        headers: { authorization: "Bearer a tick secret of decent length" },
      });
      const ticked = await edge.fetch(request);
      assert.deepEqual(await ticked.json(), { worked: 1 });
      const { body: after } = await app.ask("GET", path, { token });
      // The edge has no mail server here: the tenant works, its mail is what failed and is tried again.
      assert.equal(after.status, "provisioned");
      assert.equal(after.steps.find((step: { step: string }) => step.step === "mail").state, "failed");
    });
  });
});

Deno.test("createEdge() answers 503, and recovers, while the database cannot be reached", async () => {
  const edge = createEdge(readConfig({
    DATABASE_URL: "postgres://127.0.0.1:9/none",
    BULKHEAD_MASTER_KEY: MASTER_KEY,
    PUBLIC_URL: "https://api.example.test",
    LOG_LEVEL: "silent",
  }));
  const answer = await edge.fetch(new Request(at("/health")));
  assert.equal(answer.status, 503);
  assert.equal((await answer.json()).code, "database_unavailable");
  await edge.stop();
});

Deno.test("createEdge() refuses to start without PUBLIC_URL", () => {
  assert.throws(() => createEdge(readConfig({})), /PUBLIC_URL/);
});

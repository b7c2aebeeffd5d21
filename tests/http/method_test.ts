// A path that is served for other methods says so.
import assert from "node:assert/strict";
import { bootApp } from "../support/app.ts";

Deno.test("a method that a path does not serve is answered with 405 and the ones that it does", async () => {
  const app = await bootApp({ worker: false });
  try {
    for (
      const [method, path, allow] of [
        ["DELETE", "/health", "GET"],
        ["PUT", "/v1/buildings", "GET, POST"],
        ["POST", `/t/some-tenant/v1/meters/${crypto.randomUUID()}`, "GET, PATCH, DELETE"],
      ]
    ) {
      const answer = await app.ask(method, path);
      assert.equal(answer.status, 405);
      assert.equal(answer.body.code, "method_not_allowed");
      assert.equal(answer.headers.get("allow"), allow);
    }
    assert.equal((await app.ask("GET", "/v1/nowhere")).status, 404);
  } finally {
    await app.stop();
  }
});

// Stopping while clients hold requests open.
import assert from "node:assert/strict";
import { bootApp } from "../support/app.ts";

Deno.test("stop() does not wait for ever for a client that never ends its request", {
  sanitizeResources: false, // what the client holds open is not closed by us
  sanitizeOps: false,
}, async () => {
  const app = await bootApp({ worker: false });
  const client = await Deno.connect({ hostname: "127.0.0.1", port: app.port });
  const head =
    "POST /v1/applications HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
  await client.write(new TextEncoder().encode(head));
  assert.equal((await app.ask("GET", "/health")).status, 200);
  const started = performance.now();
  await app.stop();
  assert.ok(performance.now() - started < 15_000);
  client.close();
});

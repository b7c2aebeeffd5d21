// Reading bodies.
import assert from "node:assert/strict";
import { readText } from "../../src/http/input.ts";

function request(body: BodyInit): Request {
  return new Request("http://localhost/", { method: "POST", body });
}

Deno.test("readText() does not wait for ever for a body that stalls", async () => {
  let cancelled = false;
  const stalled = request(
    new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode("{")),
      cancel: () => void (cancelled = true),
    }),
  );
  await assert.rejects(readText(stalled, 100, 50), { code: "invalid_request" });
  await stalled.body?.cancel(); // as mount.ts does after a refusal
  assert.ok(cancelled);
});

Deno.test("readText() gives bodies up to the limit, whatever their pieces", async () => {
  const bytes = new TextEncoder().encode("é".repeat(50));
  const pieces = new ReadableStream({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  assert.equal(await readText(request(pieces), 100), "é".repeat(50));
  await assert.rejects(readText(request("x".repeat(101)), 100), { code: "payload_too_large" });
  await assert.rejects(readText(request(Uint8Array.of(0xff)), 100), { code: "invalid_json" });
  assert.equal(await readText(new Request("http://localhost/", { method: "POST" })), "");
});

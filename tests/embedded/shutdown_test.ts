// The end of the program: its order, its deadline, its second Ctrl-C.

import assert from "node:assert/strict";
import { Shutdown, type ShutdownOptions } from "../../src/embedded/shutdown.ts";

function recorded(options: ShutdownOptions = {}) {
  const events: string[] = [];
  const shutdown = new Shutdown({
    log: (sentence) => void events.push(sentence),
    exit: (code) => void events.push(`exit ${code}`),
    ...options,
  });
  return { events, shutdown };
}

Deno.test("Shutdown.run() stops the last added first, once, and skips what was taken off", async () => {
  const { events, shutdown } = recorded();
  shutdown.add("database", () => void events.push("database"));
  const takeOff = shutdown.add("mail", () => void events.push("mail"));
  shutdown.add("server", async () => {
    await Promise.resolve();
    events.push("server");
  });
  takeOff();
  await Promise.all([shutdown.run(), shutdown.run(3), shutdown.run(4)]);
  assert.deepEqual(events, ["server", "database", "exit 3"]);
});

Deno.test("Shutdown.run() goes on after a part that fails, and ends with 1", async () => {
  const { events, shutdown } = recorded();
  shutdown.add("database", () => void events.push("database"));
  shutdown.add("server", () => {
    throw new Error("Broken");
  });
  await shutdown.run();
  assert.deepEqual(events, ["Stop server: Broken", "database", "exit 1"]);
});

Deno.test("Shutdown.run() names the part that passes the deadline, and ends", async () => {
  const { events, shutdown } = recorded({ deadlineMs: 20 });
  shutdown.add("server", () => new Promise(() => undefined));
  await shutdown.run();
  assert.deepEqual(events, ["Stop server: it took longer than 20 ms", "exit 1"]);
});

Deno.test("Shutdown.signal() takes an echo of the first signal for the same one, and a later one for force", async () => {
  const { events, shutdown } = recorded({ deadlineMs: 1_500 });
  shutdown.add("server", () => new Promise(() => undefined));
  shutdown.signal(0);
  shutdown.signal(0);
  assert.deepEqual(events, []);
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  shutdown.signal(0);
  assert.deepEqual(events, ["exit 130"]);
  await shutdown.run();
});

// The log: JSON lines, by level, without secrets, and never an exception.

import assert from "node:assert/strict";
import { createLog, type Fields, type LogOptions } from "../../src/telemetry/log.ts";

function capture(options: Partial<LogOptions> = {}) {
  const lines: string[] = [];
  const log = createLog({ level: "info", write: (line) => lines.push(line), ...options });
  return { log, lines, parsed: () => lines.map((line) => JSON.parse(line) as Fields) };
}

Deno.test("createLog() writes one JSON object per line with time, level and message first", () => {
  const { log, lines, parsed } = capture();
  log.info("Started", { port: 8000, note: "two\nlines" });
  assert.equal(lines[0].includes("\n"), false);
  const [{ time, ...rest }] = parsed();
  assert.match(String(time), /^\d{4}-\d\d-\d\dT.*Z$/);
  assert.deepEqual(rest, { level: "info", msg: "Started", port: 8000, note: "two\nlines" });
  assert.ok(lines[0].startsWith('{"time":'));
});

Deno.test("createLog() writes from its level on, and alarms always", () => {
  for (const [level, count] of [["debug", 5], ["info", 4], ["warn", 3], ["error", 2]] as const) {
    const { log, lines } = capture({ level });
    log.debug("a");
    log.info("b");
    log.warn("c");
    log.error("d");
    log.alarm("e");
    assert.equal(lines.length, count, level);
    assert.match(lines.at(-1)!, /"level":"alarm"/);
  }
});

Deno.test("child() adds its fields to every line and leaves its parent alone", () => {
  const { log, parsed } = capture();
  const child = log.child({ request_id: "r1", tenant_id: "t1" }).child({ operation: "members.list" });
  child.warn("Slow", { tenant_id: "t2" });
  log.info("Plain");
  const [line, plain] = parsed();
  assert.deepEqual([line.request_id, line.tenant_id, line.operation], ["r1", "t2", "members.list"]);
  assert.equal("request_id" in plain, false);
});

Deno.test("createLog() redacts fields, message, errors and known secrets", () => {
  const { log, lines } = capture({ secrets: ["known-canary-value"] });
  log.error("Failed with password=canary1", {
    password: "canary2",
    error: new Error("postgres://u:canary3@h/db", { cause: new Error("bearer canary4canary4") }),
    note: "before known-canary-value after",
  });
  log.child({ token: "canary5" }).alarm("RLS refused", { "known-canary-value": 1 });
  assert.ok(!lines.join("").includes("canary"), lines.join("\n"));
  assert.equal(lines.length, 2);
});

Deno.test("createLog() lets no field pass for time, level or message", () => {
  const { log, parsed } = capture();
  log.info("Real", { msg: "forged", level: "alarm", time: "1999" });
  const [{ msg, level, time }] = parsed();
  assert.deepEqual([msg, level], ["Real", "info"]);
  assert.notEqual(time, "1999");
});

Deno.test("createLog() never throws, whatever it is given and wherever it writes", () => {
  const { log, lines } = capture();
  const trap = Object.defineProperty({}, "x", { enumerable: true, get: () => JSON.parse("{") }) as Fields;
  log.info("Trap", { trap });
  log.info("Trapped fields", new Proxy({}, { ownKeys: () => [], get: () => JSON.parse("{") }));
  log.info("Lone surrogate \ud800", { big: 1n, odd: Symbol("x") });
  assert.equal(lines.length, 3);
  createLog({ level: "info", write: () => JSON.parse("{") }).info("Nowhere to write");
});

Deno.test("createLog() writes to standard error unless told otherwise, percent signs included", async () => {
  const code = `import { createLog } from "./src/telemetry/log.ts"; createLog({ level: "info" }).info("100 %s %% %d");`;
  const cwd = new URL("../../", import.meta.url);
  const output = await new Deno.Command(Deno.execPath(), { args: ["eval", code], cwd }).output();
  assert.equal(output.stdout.length, 0);
  const line = new TextDecoder().decode(output.stderr).split("\n").find((line) => line.startsWith("{"));
  assert.equal(JSON.parse(line ?? "{}").msg, "100 %s %% %d");
});

Deno.test("createLog() writes a line whole that is longer than a pipe holds", async () => {
  const code = `import { createLog } from "./src/telemetry/log.ts";
    const piece = "plain words ".repeat(5_000);
    createLog({ level: "info" }).info("Long", { pieces: Array(20).fill(piece) });`;
  const cwd = new URL("../../", import.meta.url);
  const child = new Deno.Command(Deno.execPath(), { args: ["eval", code], cwd, stderr: "piped" }).spawn();
  await new Promise((resolve) => setTimeout(resolve, 200)); // it fills the pipe and has to wait
  const line = (await new Response(child.stderr).text()).split("\n").find((line) => line.startsWith("{"));
  assert.equal(JSON.parse(line ?? "{}").pieces.length, 20);
  assert.ok((await child.status).success);
});

Deno.test("createLog() keeps lines in order and loses none, however the program ends", async () => {
  const endings: [string, number][] = [
    ["Deno.exit(3)", 3],
    ["throw new Error('end')", 1],
    ["setTimeout(() => { throw new Error('end'); })", 1],
    ["Promise.reject(new Error('end'))", 1],
    ["0", 0],
  ];
  for (const [ending, code] of endings) {
    const program = `import { createLog } from "./src/telemetry/log.ts";
      const log = createLog({ level: "info" });
      log.info("1"); log.warn("2"); log.info("3"); log.info("4"); ${ending};`;
    const cwd = new URL("../../", import.meta.url);
    const output = await new Deno.Command(Deno.execPath(), { args: ["eval", program], cwd }).output();
    const lines = new TextDecoder().decode(output.stderr).split("\n").filter((line) => line.startsWith("{"));
    assert.deepEqual([lines.map((line) => JSON.parse(line).msg).join(""), output.code], ["1234", code], ending);
  }
});

Deno.test("createLog() does not end the program whose standard error was closed", async () => {
  const program = `import { createLog } from "./src/telemetry/log.ts";
    Deno.stderr.close();
    createLog({ level: "info" }).info("Unheard");
    createLog({ level: "info" }).error("Unheard");
    setTimeout(() => console.log("alive"), 20);`;
  const cwd = new URL("../../", import.meta.url);
  const output = await new Deno.Command(Deno.execPath(), { args: ["eval", program], cwd }).output();
  assert.equal(new TextDecoder().decode(output.stdout).trim(), "alive");
});

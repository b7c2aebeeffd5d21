// Commands beside a local platform that serves.
import assert from "node:assert/strict";
import { migrationFiles } from "../../src/db/sql_files.ts";
import { bulkhead, run } from "./program.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
/** How long the platform may take to start, in milliseconds. */
const START_MS = 120_000;

/** Reads until there is a line that fits. */
async function heard(output: ReadableStream<Uint8Array>, wanted: RegExp): Promise<string> {
  let text = "";
  const reader = output.pipeThrough(new TextDecoderStream()).getReader();
  const late = setTimeout(() => void reader.cancel(), START_MS);
  while (!wanted.test(text)) {
    const { value, done } = await reader.read();
    if (done) break;
    text += value;
  }
  clearTimeout(late);
  return text;
}

Deno.test("db status tells beside dev, and dev says that its port was taken", loose, async () => {
  const home = await Deno.makeTempDir({ prefix: "bulkhead-test-beside-" });
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const serving = bulkhead(["dev", "--home", home], { PORT: String(port) }).spawn();
  try {
    const said = await heard(serving.stdout, /Operator .*run\.json/);
    assert.match(said, new RegExp(`^Port ${port} is in use: port \\d+ is served instead$`, "m"));
    const status = await run(["db", "status", "--home", home, "--json"]);
    assert.equal(status.code, 0, status.said);
    const states: { plane: string; appliedAt: string | null }[] = JSON.parse(status.out);
    assert.equal(states.length, migrationFiles("platform").length + migrationFiles("tenant").length);
    assert.deepEqual(states.filter(({ appliedAt }) => appliedAt === null), []);
    const deploy = await run(["db", "deploy", "--home", home]);
    assert.equal(deploy.code, 1);
    assert.match(deploy.said, /^Stop process \d+ first: /);
  } finally {
    serving.kill("SIGTERM");
    await serving.output().catch(() => serving.status);
    taken.close();
    await Deno.remove(home, { recursive: true });
  }
});

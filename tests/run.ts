// `deno task test`: starts the two test servers, runs `deno test` with what was given on the command line, stops the servers
// and ends with one line, "N passed, N failed".

import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCluster } from "../src/embedded/cluster.ts";
import { stopServersIn } from "../src/embedded/cluster_folder.ts";
import { endProgram, onShutdown } from "../src/embedded/shutdown.ts";

const folderPrefix = "bulkhead-test-";
// A run this young may not hold its lock yet.
const youngMs = 60_000;

await removeAbandoned();
const dir = await Deno.makeTempDir({ prefix: `${folderPrefix}run-` });
onShutdown("the temporary folder", () => Deno.remove(dir, { recursive: true }));
const env = {
  BULKHEAD_TEST_SERVER: await start("main", 54400),
  BULKHEAD_TEST_BYO_SERVER: await start("customer", 54450),
};
const { code, summary } = await test(env);
onShutdown("the report", () => console.log(`${summary.passed} passed, ${summary.failed} failed`));
await endProgram(code);

async function start(name: string, port: number): Promise<string> {
  const cluster = await startCluster({ dir, name, port, superuserPassword: crypto.randomUUID(), fast: true });
  onShutdown(`the ${name} server`, () => cluster.stop());
  const { user, password } = cluster.superuser;
  return `postgres://${user}:${password}@127.0.0.1:${cluster.port}/postgres`;
}

async function test(env: Record<string, string>) {
  const args = ["test", "-A", ...Deno.args];
  const options = { args, env, stdin: "null", stdout: "piped", stderr: "inherit" } as const;
  const child = new Deno.Command(Deno.execPath(), options).spawn();
  // The terminal's Ctrl-C reaches `deno test` as well; a SIGTERM reaches only us.
  const forget = onShutdown("the tests", () => child.kill("SIGTERM"));
  let tail = "";
  const decoder = new TextDecoder();
  for await (const chunk of child.stdout) {
    await Deno.stdout.write(chunk);
    tail = (tail + decoder.decode(chunk, { stream: true })).slice(-20_000);
  }
  const status = await child.status;
  forget();
  const summary = readSummary(tail);
  // A crash leaves no summary; a run whose summary says "ok" but which ended badly failed all the same.
  if (!status.success && summary.failed === 0) summary.failed = 1;
  return { code: status.code, summary };
}

function readSummary(output: string): { passed: number; failed: number } {
  // deno-lint-ignore no-control-regex -- colours are control characters
  const plain = output.replace(/\x1b\[[0-9;]*m/g, "");
  const line = [...plain.matchAll(/^(?:ok|FAILED) \| (\d+) passed.*?\| (\d+) failed/gm)].at(-1);
  return { passed: Number(line?.[1] ?? 0), failed: Number(line?.[2] ?? 0) };
}

// A run that was killed leaves its folder, and servers in it, behind. A run that lives holds the lock of its servers.
async function removeAbandoned(): Promise<void> {
  const parent = tmpdir();
  for await (const entry of Deno.readDir(parent)) {
    if (!entry.isDirectory || !entry.name.startsWith(folderPrefix)) continue;
    const folder = join(parent, entry.name);
    const born = await Deno.stat(folder).then((info) => info.birthtime ?? info.mtime, () => null);
    if (!born || Date.now() - born.getTime() < youngMs) continue;
    const free = await stopServersIn(folder).then(() => true, () => false);
    if (free) await Deno.remove(folder, { recursive: true }).catch(() => undefined);
  }
}

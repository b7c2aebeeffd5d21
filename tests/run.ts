// `deno task test`: starts the two test servers, runs `deno test` with what was given on the command line, stops the servers
// and ends with one line, "N passed, N failed".

import { tmpdir } from "node:os";
import { join } from "node:path";
import { startCluster } from "../src/embedded/cluster.ts";
import { stopServersIn } from "../src/embedded/cluster_folder.ts";
import { endProgram, onShutdown } from "../src/embedded/shutdown.ts";

// A run this young may not hold its lock yet.
const youngMs = 60_000;
// What `deno test` started may hold its output open after it ended.
const lastOutputMs = 2_000;

const report = { passed: 0, failed: 1 };
onShutdown("the report", () => console.log(`${report.passed} passed, ${report.failed} failed`));
await endProgram(await main().catch((error) => (console.error(error), 1)));

async function main(): Promise<number> {
  await removeAbandoned();
  const dir = await Deno.makeTempDir({ prefix: "bulkhead-test-run-" });
  onShutdown("the temporary folder", () => Deno.remove(dir, { recursive: true }));
  const env = {
    BULKHEAD_TEST_SERVER: await start(dir, "main", 54400),
    BULKHEAD_TEST_BYO_SERVER: await start(dir, "customer", 54450),
  };
  const args = ["test", "-A", ...Deno.args];
  const child = new Deno.Command(Deno.execPath(), { args, env, stdin: "null", stdout: "piped" }).spawn();
  const code = follow(child);
  // The terminal's Ctrl-C reaches `deno test` as well; a SIGTERM reaches only us.
  const forget = onShutdown("the tests", () => (child.kill("SIGTERM"), code));
  return await code.finally(forget);
}

async function start(dir: string, name: string, port: number): Promise<string> {
  const cluster = await startCluster({ dir, name, port, superuserPassword: crypto.randomUUID(), fast: true });
  onShutdown(`the ${name} server`, () => cluster.stop());
  const { user, password } = cluster.superuser;
  return `postgres://${user}:${password}@127.0.0.1:${cluster.port}/postgres`;
}

/** Passes the output on, fills the report, and returns the exit code. */
async function follow(child: Deno.ChildProcess): Promise<number> {
  let tail = "";
  const decoder = new TextDecoder();
  const output = child.stdout.pipeTo(
    new WritableStream({
      write: async (chunk: Uint8Array) => {
        tail = (tail + decoder.decode(chunk, { stream: true })).slice(-20_000);
        for (let rest = chunk; rest.length > 0;) rest = rest.subarray(await Deno.stdout.write(rest));
      },
    }),
  );
  const { code } = await child.status;
  await Promise.race([output, new Promise((resolve) => setTimeout(resolve, lastOutputMs))]);
  const { passed, failed } = readSummary(tail);
  // A crash leaves no summary, and a run may end badly after one that says "ok".
  Object.assign(report, { passed, failed: failed || (code === 0 ? 0 : 1) });
  return code;
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
    if (!entry.isDirectory || !/^bulkhead-test-(run|own)-/.test(entry.name)) continue;
    const folder = join(parent, entry.name);
    const born = await Deno.stat(folder).then((info) => info.birthtime ?? info.mtime, () => null);
    if (!born || Date.now() - born.getTime() < youngMs) continue;
    const free = await stopServersIn(folder).then(() => true, () => false);
    if (free) await Deno.remove(folder, { recursive: true }).catch(() => undefined);
  }
}

// docs/add-a-module.md, followed to the letter in a copy of the project: the commands are run, the files are written, and
// what comes out is rolled out and tested. The guide is the only source of what is done here.
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { openDirect } from "../../src/db/direct.ts";
import { openServer, type TestServer } from "../../src/testing/cluster.ts";
import { pathIn, readSteps, type Step } from "./guide.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const POLICY = "sql/policies/34_parking.sql";
/** Roles are server-wide and their passwords derive from it: the same as in tests/support/app.ts. */
const MASTER_KEY = btoa(String.fromCharCode(...new Uint8Array(32).map((_, i) => i * 7 % 256)));

let server: TestServer;
let folder: string;
const database = `guide_${crypto.randomUUID().slice(0, 8)}`;

Deno.test.beforeAll(async () => {
  server = await openServer();
  await asAdmin(`create database ${database}`);
  folder = await Deno.makeTempDir({ prefix: "bulkhead-guide-" });
  await copyProject();
});

Deno.test.afterAll(async () => {
  if (folder) await Deno.remove(folder, { recursive: true });
  for (const name of [database, `${database}_shared`]) await asAdmin(`drop database if exists ${name} with (force)`);
  await server.stop();
});

async function asAdmin(statement: string): Promise<void> {
  const { host, port, user, password } = server;
  const sql = await openDirect({ host, port, user, password, database: "postgres" });
  await sql.unsafe(statement).finally(() => sql.end());
}

/** What git knows or would add, and the packages by a link. */
async function copyProject(): Promise<void> {
  const { stdout } = await new Deno.Command("git", {
    args: ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    cwd: ROOT,
  }).output();
  for (const path of new Set(new TextDecoder().decode(stdout).split("\0").filter(Boolean))) {
    await Deno.mkdir(join(folder, dirname(path)), { recursive: true });
    // A file that was removed and not committed yet is still on git's list.
    await Deno.copyFile(join(ROOT, path), join(folder, path)).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
  await Deno.symlink(join(ROOT, "node_modules"), join(folder, "node_modules"), { type: "dir" });
}

/** What programs in the copy are told: the test server, and a platform of this test's own on it. */
function settings(): Record<string, string> {
  const { host, port, user, password } = server;
  const at = `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}`;
  return {
    NO_COLOR: "1",
    DATABASE_URL: `${at}/${database}`,
    BULKHEAD_MASTER_KEY: MASTER_KEY,
    BULKHEAD_TEST_SERVER: `${at}/postgres`,
  };
}

/** Runs a line of the guide in the copy. */
async function run(line: string): Promise<{ code: number; output: string }> {
  const [program, ...args] = line.split(" ");
  assert.equal(program, "deno", `The guide runs something else than deno: "${line}"`);
  // `deno task test` would start servers of its own; here there is one already.
  const direct = args[0] === "task" && args[1] === "test" ? ["test", "-A", ...args.slice(2)] : args;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: direct,
    cwd: folder,
    env: settings(),
  }).output();
  return { code, output: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

async function succeed(line: string): Promise<void> {
  const { code, output } = await run(line);
  assert.equal(code, 0, `"${line}" failed:\n${output}`);
}

/** How long the copy may take to serve, in milliseconds. */
const START_MS = 20_000;

/** Serves the copy for the length of `work`, as `deno task start` does. */
async function served(work: (url: string) => Promise<void>): Promise<void> {
  const port = freePort();
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "src/main.ts", "start", "--no-worker"],
    cwd: folder,
    env: { ...settings(), PORT: String(port) },
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    const url = `http://127.0.0.1:${port}`;
    // It takes the port first, and answers 503 until it is ready.
    const ready = () =>
      fetch(`${url}/openapi.json`).then(async (answer) => (await answer.body?.cancel(), answer.ok), () => false);
    for (const end = Date.now() + START_MS; !await ready();) {
      assert.ok(Date.now() < end, "The copy does not serve");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await work(url);
  } finally {
    child.kill("SIGTERM");
    await child.status;
  }
}

function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  listener.close();
  return (listener.addr as Deno.NetAddr).port;
}

/** Does what a heading says. */
async function follow(step: Step): Promise<void> {
  const { heading, blocks } = step;
  if (/^\d+\. Write /.test(heading)) return await write(pathIn(step), blocks[0]);
  if (/^\d+\. Append to /.test(heading)) return await append(pathIn(step), blocks[0]);
  if (/^\d+\. List it in /.test(heading)) return await list(pathIn(step), blocks);
  for (const line of blocks.flatMap((block) => block.trim().split("\n"))) await succeed(line);
}

async function write(path: string, text: string): Promise<void> {
  await Deno.mkdir(join(folder, dirname(path)), { recursive: true });
  await Deno.writeTextFile(join(folder, path), text, { createNew: true });
}

/** The number of a migration is its place in the order. */
async function append(path: string, text: string): Promise<void> {
  const pattern = new RegExp(`^${path.split("/").at(-1)!.replace("NNNN", "\\d{4}")}$`);
  const name = namesIn(dirname(path)).find((one) => pattern.test(one));
  assert.ok(name, `There is no file like "${path}"`);
  await Deno.writeTextFile(join(folder, dirname(path), name), text, { append: true, create: false });
}

function namesIn(path: string): string[] {
  return [...Deno.readDirSync(join(folder, path))].map(({ name }) => name);
}

/** Rolls out with a file that has one text for another, expects to hear of that file, and puts it back. */
async function faulty(path: string, [text, other]: [string, string], sentence: string, line?: number): Promise<void> {
  const sound = await Deno.readTextFile(join(folder, path));
  assert.ok(sound.includes(text), `"${path}" has no "${text}"`);
  await Deno.writeTextFile(join(folder, path), sound.replace(text, other));
  const { code, output } = await run("deno task db deploy");
  await Deno.writeTextFile(join(folder, path), sound);
  assert.notEqual(code, 0);
  assert.ok(output.includes(`${path}${line ? `, line ${line}` : ""}: ${sentence}`), output);
}

/** Puts each line after the last one like it: another import, or the same but for the first word. */
async function list(path: string, blocks: string[]): Promise<void> {
  const lines = (await Deno.readTextFile(join(folder, path))).split("\n");
  for (const line of blocks.flatMap((block) => block.trim().split("\n"))) {
    const shape = (text: string) => text.startsWith("import") ? "import" : text.trim().replace(/^\w+/, "");
    const at = lines.findLastIndex((one) => shape(one) === shape(line));
    assert.ok(at >= 0, `No line of "${path}" is like "${line}"`);
    lines.splice(at + 1, 0, /^ */.exec(lines[at])![0] + line);
  }
  await Deno.writeTextFile(join(folder, path), lines.join("\n"));
}

Deno.test("docs/add-a-module.md adds a module that works and that leaks nothing", async (t) => {
  const steps = readSteps(await Deno.readTextFile(join(ROOT, "docs/add-a-module.md")));
  const last = steps.at(-1)!;
  assert.ok(steps.length >= 9 && /Roll out and test/.test(last.heading));
  const policy = steps.find(({ heading }) => heading.includes(POLICY))!;
  for (const step of steps.filter((one) => one !== last && one !== policy)) {
    await t.step(step.heading, () => follow(step));
  }
  await t.step("without the policy the proof stops the rollout and names the table", async () => {
    const { code, output } = await run("deno task db deploy");
    assert.notEqual(code, 0);
    assert.match(output, /The proof found 2 holes.*parking_spaces/s);
  });
  await t.step(policy.heading, () => follow(policy));
  await t.step("a fault in an SQL file is told with the file, and the line where PostgreSQL knows it", async () => {
    const isolate = "call app.isolate('tenant.parking_spaces');";
    await faulty(POLICY, [isolate, ""], "Call app.isolate('tenant.parking_spaces') first: it makes the policy that is");
    const line = policy.blocks[0].split("\n").indexOf(isolate) + 1;
    await faulty(POLICY, ['set local role :"owner";', ""], "permission denied for schema app", line);
    const [folder, name] = ["sql/migrations/tenant", /add_parking\.sql$/];
    const migration = `${folder}/${namesIn(folder).find((one) => name.test(one))}`;
    const key = "(tenant_id, building_id) references tenant.buildings (tenant_id, id)";
    await faulty(migration, [key, "(building_id) references tenant.buildings (id)"], "there is no unique constraint");
  });
  await t.step("without the audit's line the proof stops the rollout and names the table", async () => {
    const path = join(folder, POLICY);
    const text = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text.replace(/^call tenant\.audited.*\n/m, ""));
    const { code, output } = await run("deno task db deploy");
    assert.notEqual(code, 0);
    assert.match(
      output,
      /The proof found 1 hole:\ntable "tenant\.parking_spaces" is neither audited nor said not to be/,
    );
    await Deno.writeTextFile(path, text);
  });
  await t.step(last.heading, () => follow(last));
  await t.step("the module is served and described", async () => {
    await served(async (url) => {
      const document = await (await fetch(`${url}/openapi.json`)).json();
      assert.equal(document.paths["/v1/parking-spaces/{id}"].get.operationId, "parking.get");
      for (const [path, status] of [["/v1/parking-spaces", 401], ["/v1/parking", 404]] as const) {
        const answer = await fetch(url + path);
        assert.equal(answer.status, status);
        await answer.body?.cancel();
      }
    });
  });
  await t.step("what was written is formatted and clean for the linter", async () => {
    const written = steps.filter(({ heading }) => /Write `(src|tests)/.test(heading)).map(pathIn);
    await succeed(`deno fmt --check ${written.join(" ")}`);
    await succeed(`deno lint ${written.join(" ")} src/routes.ts src/identity/permissions.ts`);
  });
});

// `bulkhead prove` as a program of its own, installed the way docs/security.md says, run from elsewhere on a database of a
// deployment.
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeScratch, type Scratch } from "../proof/scratch.ts";

const PROJECT = fileURLToPath(new URL("../../", import.meta.url));
const loose = { sanitizeOps: false, sanitizeResources: false };

let root: string;
let placement: Scratch;
Deno.test.beforeAll(async () => {
  root = await Deno.makeTempDir({ prefix: "bulkhead-test-installed-" });
  placement = await makeScratch("t_installed");
  const install = ["install", "-g", "-A", "-n", "bulkhead", "-c", "deno.json", "--root", root, "src/main.ts"];
  const { success, stderr } = await new Deno.Command(Deno.execPath(), { args: install, cwd: PROJECT }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
});
Deno.test.afterAll(async () => {
  await placement?.drop();
  await Deno.remove(root, { recursive: true });
});

async function bulkhead(...args: string[]) {
  const env = { PATH: `${dirname(Deno.execPath())}:${Deno.env.get("PATH")}`, NO_COLOR: "1" };
  const program = join(root, "bin", "bulkhead");
  const { code, stdout, stderr } = await new Deno.Command(program, { args, env, cwd: root, stdin: "null" }).output();
  const [out, said] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { code, out, said };
}

function urlOf({ database, server }: Scratch): string {
  const { host, port, user, password } = server;
  return `postgres://${user}:${encodeURIComponent(password)}@${host}:${port}/${database}`;
}

Deno.test("bulkhead prove --help says how to prove a deployment", loose, async () => {
  const { code, out } = await bulkhead("prove", "--help");
  assert.equal(code, 0);
  assert.match(out, /--url <postgres url>/);
  assert.match(out, /prove --url 'postgres:/);
});

Deno.test("bulkhead prove --url proves a deployment's database, and its exit code tells of a hole", loose, async () => {
  const sound = await bulkhead("prove", "--url", urlOf(placement), "--quick", "--json");
  assert.equal(sound.code, 0, sound.said);
  const { passed, tables, attacks } = JSON.parse(sound.out);
  assert.ok(passed && tables.length >= 15 && attacks.length > 100);
  await placement.admin`alter table tenant.renters disable row level security`;
  const holed = await bulkhead("prove", "--url", urlOf(placement), "--quick", "--json");
  assert.equal(holed.code, 1, holed.said);
  assert.match(JSON.parse(holed.out).faults.join("\n"), /tenant\.renters/);
});

Deno.test("bulkhead prove ends with a sentence when it cannot look", loose, async () => {
  const { code, said } = await bulkhead("prove", "--url", "mysql://nobody@127.0.0.1/x");
  assert.equal(code, 1);
  assert.match(said, /Give "--url" as postgres:/);
});

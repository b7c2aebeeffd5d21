// `bulkhead/client` runs where there is no Deno: it stands on nothing but itself and web standards, and in Node it signs in,
// refreshes and sends.
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bootApp, MEMBER_PASSWORD } from "../support/app.ts";
import { importsOf, mask, readProject } from "../architecture/source.ts";

const root = new URL("../../", import.meta.url);
const NATIVE = /\b(Deno|process|Buffer|require|__dirname)\b/;

Deno.test("src/client imports nothing but itself, and uses web standards only", () => {
  const files = [...readProject(root)].filter(([path]) => path.startsWith("src/client/"));
  assert.ok(files.length >= 5);
  for (const [path, text] of files) {
    for (const found of importsOf(path, text)) assert.match(found.file ?? "a package", /^src\/client\//, path);
    assert.doesNotMatch(mask(text), NATIVE, path);
  }
});

const SCRIPT = `import { createClient } from "./client.mjs";
const { url, tenant, email, password } = JSON.parse(process.argv[2]);
let ahead = 0;
const client = createClient({ url, tenant, auth: {}, now: () => Date.now() + ahead, idempotencyKeys: true });
const said = [(await client.signIn({ email, password })).state];
ahead = 16 * 60_000;
const ask = async (path, init) => (await client.fetch(path, init)).status;
said.push(...await Promise.all([1, 2, 3].map(() => ask("/v1/auth/me"))));
const headers = { "content-type": "application/json" };
const body = JSON.stringify({ name: "Tower", address: "1 King St", city: "Toronto", country: "CA" });
said.push(await ask(new Request(url + "/v1/buildings", { method: "POST", headers, body })));
said.push(await client.fetch("http://127.0.0.1:1/").catch(({ name }) => name));
await client.signOut();
said.push(await ask("/v1/auth/me"));
console.log(JSON.stringify(said));`;

const run = async (program: string, ...args: string[]) => {
  const { code, stdout, stderr } = await new Deno.Command(program, { args, cwd: fileURLToPath(root) }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.equal(code, 0, text(stderr));
  return text(stdout);
};

Deno.test("in Node it signs in, refreshes, sends and signs out", {
  ignore: !await run("node", "--version").then(() => true, () => false),
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  const folder = await Deno.makeTempDir();
  const app = await bootApp();
  try {
    const tenant = await app.tenant("in-node");
    await run(Deno.execPath(), "bundle", "--quiet", "-o", join(folder, "client.mjs"), "src/client/mod.ts");
    await Deno.writeTextFile(join(folder, "run.mjs"), SCRIPT);
    const given = { url: app.url, tenant: tenant.slug, email: tenant.adminEmail, password: MEMBER_PASSWORD };
    const said = await run("node", join(folder, "run.mjs"), JSON.stringify(given));
    assert.deepEqual(JSON.parse(said), ["signed_in", 200, 200, 200, 201, "TargetRefusedError", 401]);
    assert.equal(app.lines.filter((line) => line.includes('"auth.refresh"')).length, 1);
  } finally {
    await app.stop();
    await Deno.remove(folder, { recursive: true });
  }
});

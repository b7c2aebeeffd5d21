// `audit verify` and `audit export`, run as programs beside a platform that serves.
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { checkLines } from "../../src/tenant/audit/offline.ts";
import { freshTenant } from "../../src/testing/mod.ts";
import { testPlatform } from "../../src/testing/platform.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Runs a command on the test's platform. */
async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const { masterKey, settings } = (await testPlatform()).services.servers;
  const { host, port, admin, platformDatabase } = settings;
  const at = `postgres://${admin!.user}:${encodeURIComponent(admin!.password)}@${host}:${port}/${platformDatabase}`;
  const env = {
    NO_COLOR: "1",
    DATABASE_URL: at,
    SHARED_DATABASE: settings.sharedDatabase,
    BULKHEAD_MASTER_KEY: btoa(String.fromCharCode(...masterKey)),
  };
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "src/main.ts", "audit", ...args],
    cwd: ROOT,
    env,
  });
  const { code, stdout, stderr } = await command.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test("audit verify tells a sound chain and its end, and exits with 1 at a fault", loose, async () => {
  const tenant = await freshTenant();
  for (const name of ["A", "B"]) {
    await tenant.asTenant((tx) =>
      tx`insert into tenant.buildings (name, address, city, country) values (${name}, 'x', 'x', 'CA')`
    );
  }
  const sound = await run("verify", "--tenant", tenant.slug);
  assert.equal(sound.code, 0, sound.err);
  const head = /^✔ 2 entries of ".+"; the chain ends with (2:[0-9a-f]{64})\n$/.exec(sound.out)?.[1];
  assert.ok(head, sound.out);
  const admin = await (await testPlatform()).admin(tenant.placement.database);
  await admin`update tenant.audit set actor = 'member:x' where tenant_id = ${tenant.id} and seq = 1`;
  const broken = await run("verify", "--tenant", tenant.slug, "--head", head, "--json");
  assert.equal(broken.code, 1);
  assert.deepEqual(JSON.parse(broken.out).fault, { seq: 1, what: "Entry 1 was changed" });
});

Deno.test("audit export writes lines that verify, and says what it is not given", loose, async () => {
  const tenant = await freshTenant();
  await tenant.asTenant((tx) =>
    tx`insert into tenant.buildings (name, address, city, country) values ('A', 'x', 'x', 'CA')`
  );
  const { code, out, err } = await run("export", "--tenant", tenant.slug);
  assert.equal(code, 0, err);
  const check = checkLines(out.trimEnd().split("\n"));
  assert.deepEqual([check.fault, check.entries], [null, 1]);
  const file = await Deno.makeTempFile({ prefix: "bulkhead-audit-" });
  try {
    assert.equal((await run("export", "--tenant", tenant.slug, "--format", "csv", "--out", file)).code, 0);
    assert.match(await Deno.readTextFile(file), /^seq,at,actor,/);
  } finally {
    await Deno.remove(file);
  }
  assert.match((await run("verify", "--tenant", "nobody-here")).err, /There is no tenant "nobody-here"/);
});

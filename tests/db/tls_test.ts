// TLS to the database: verified or not at all.
import assert from "node:assert/strict";
import { startCluster } from "../../src/embedded/cluster.ts";
import { openDirect } from "../../src/db/direct.ts";
import type { Target } from "../../src/db/pool.ts";
import { makeCertificates } from "./certificate.ts";
import { as, failure, pause, withPool } from "./setup.ts";

const { ca, certificate, key } = makeCertificates(["db.test"], ["127.0.0.1"]);
const dir = await Deno.makeTempDir({ prefix: "bulkhead-test-" });
const cluster = await startCluster({ dir, name: "tls", superuserPassword: "tls", fast: true });
const target: Target = cluster.superuser;
await turnOnTls();

Deno.test.afterAll(async () => {
  await cluster.stop();
  await Deno.remove(dir, { recursive: true });
});

/** Only the server itself may own its key, so it writes it. */
async function turnOnTls(): Promise<void> {
  const admin = await openDirect(target);
  for (const [file, text] of [["server.crt", certificate], ["server.key", key]]) {
    const lines = `select unnest(string_to_array('${text.trim()}', E'\\n'))`;
    await admin.unsafe(`copy (${lines}) to program 'umask 077; cat > ${file}'`);
  }
  await admin.unsafe("alter system set ssl = on");
  await admin.unsafe("select pg_reload_conf()");
  await admin.end();
  for (let i = 0; i < 100; i++) {
    const again = await openDirect(target);
    const [{ ssl }] = await again`show ssl`;
    await again.end();
    if (ssl === "on") return;
    await pause(20);
  }
}

/** Whether a session is encrypted, or why there is none. */
async function outcome(change: Partial<Target>): Promise<boolean | string> {
  try {
    const direct = await openDirect({ ...target, ...change });
    const [{ ssl }] = await direct`select ssl from pg_stat_ssl where pid = pg_backend_pid()`;
    await direct.end();
    return ssl;
  } catch (error) {
    return ((error as Error).cause as { code: string }).code;
  }
}

Deno.test("openSession() accepts only a certificate by the given authority for the given name", async () => {
  const require = (more: object) => outcome({ tls: { mode: "require", ...more } });
  assert.equal(await require({ ca }), true);
  assert.equal(await require({ ca, servername: "db.test" }), true);
  assert.match(String(await require({ ca, servername: "other.test" })), /ALTNAME/);
  assert.match(String(await outcome({ host: "localhost", tls: { mode: "require", ca } })), /ALTNAME/);
  assert.match(String(await require({})), /VERIFY|SELF_SIGNED|ISSUER/);
  assert.match(
    String(await require({ ca: makeCertificates(["db.test"], []).ca })),
    /VERIFY|SELF_SIGNED|ISSUER|SIGNATURE/,
  );
  assert.equal(await outcome({}), false);
  assert.equal(await outcome({ tls: { mode: "disable" } }), false);
});

Deno.test("Pool.run() works over TLS, and cancels over TLS", () =>
  withPool({ ...target, tls: { mode: "require", ca } }, { max: 1 }, async (pool) => {
    const sleeping = pool.run(as("a"), (tx) => tx`select pg_sleep(20)`, { deadlineMs: 150 });
    assert.equal((await failure(sleeping)).code, "database_unavailable");
    await pause(100);
    const [row] = await pool.run(as("a"), (tx) =>
      tx<{ n: number; tenant: string; x: string }>`
      select count(*)::int as n, current_setting('app.tenant_id') as tenant, repeat('x', 3000000) as x
      from pg_stat_activity where query like '%pg_sleep(20)%' and pid <> pg_backend_pid()`);
    assert.deepEqual([row.n, row.tenant, row.x.length], [0, "a", 3_000_000]);
  }));

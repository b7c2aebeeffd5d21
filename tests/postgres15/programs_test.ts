// That PostgreSQL 15 is really what the tests of this folder run on, and that a machine without it cannot pass for one with
// it in continuous integration.
import assert from "node:assert/strict";
import { join } from "node:path";
import { startCluster } from "../../src/embedded/cluster.ts";
import { adminSql, secondTestServer } from "../support/postgres.ts";
import { onPostgres15 } from "./programs.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };

/** What `deno test` says of a file that asks for PostgreSQL 15 where there is none. */
async function without(env: Record<string, string>) {
  const dir = await Deno.makeTempDir({ prefix: "bulkhead-test-" });
  try {
    const file = join(dir, "asking_test.ts");
    const programs = new URL("./programs.ts", import.meta.url).href;
    const text =
      `import { onPostgres15 } from "${programs}";\nif (onPostgres15("${dir}")) throw new Error("It is there");\n`;
    await Deno.writeTextFile(file, text);
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const args = ["test", "-A", "--no-check", "--config", config, file];
    const options = { args, env: { ...env, NO_COLOR: "1" }, stdin: "null" } as const;
    const { code, stdout } = await new Deno.Command(Deno.execPath(), options).output();
    return { code, said: new TextDecoder().decode(stdout) };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("onPostgres15() fails in continuous integration where there is none", loose, async () => {
  const { code, said } = await without({ CI: "true" });
  assert.notEqual(code, 0);
  assert.match(said, /Install "postgresql-15" .* FAILED/);
});

Deno.test("onPostgres15() says elsewhere what is missing, and ignores it", loose, async () => {
  const { code, said } = await without({ CI: "" });
  assert.equal(code, 0);
  assert.match(said, /Install "postgresql-15" .* ignored/);
});

Deno.test("startCluster() refuses a folder without programs", loose, async () => {
  const dir = await Deno.makeTempDir({ prefix: "bulkhead-test-" });
  const start = startCluster({ dir, name: "none", superuserPassword: "none", programs: dir, fast: true });
  await assert.rejects(start, /Name the folder of PostgreSQL's programs/).finally(() =>
    Deno.remove(dir, { recursive: true })
  );
});

if (onPostgres15()) {
  Deno.test("the test servers of this folder are PostgreSQL 15, apart from the run's own", loose, async () => {
    for (const server of [undefined, await secondTestServer()]) {
      const sql = await adminSql("postgres", server);
      const [about] = await sql`select current_setting('server_version_num')::int / 10000 as version,
        current_setting('server_encoding') as encoding, inet_server_port() as port`;
      await sql.end();
      assert.deepEqual([about.version, about.encoding], [15, "UTF8"]);
      assert.ok(!Deno.env.get("BULKHEAD_TEST_SERVER")?.includes(`:${about.port}/`));
    }
  });
}

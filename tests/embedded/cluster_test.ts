// The embedded cluster on real PostgreSQL: what it keeps, what it heals, whom it lets in.

import assert from "node:assert/strict";
import { join } from "node:path";
import postgres from "postgres";
import { type Cluster, startCluster } from "../../src/embedded/cluster.ts";
import { isFree } from "../../src/embedded/ports.ts";

interface Bench {
  dir: string;
  said: string[];
  start(port?: number): Promise<Cluster>;
}

async function withFolder(test: (bench: Bench) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "bulkhead-test-" });
  const said: string[] = [];
  const running: Cluster[] = [];
  const start = async (port = 54500) => {
    const log = (sentence: string) => void said.push(sentence);
    const cluster = await startCluster({
      dir,
      name: "main",
      port,
      superuserPassword: "one",
      fast: true,
      log,
    });
    running.push(cluster);
    return cluster;
  };
  try {
    await test({ dir, said, start });
  } finally {
    for (const cluster of running) await cluster.stop();
    await Deno.remove(dir, { recursive: true });
  }
}

async function query(cluster: Cluster, text: string, login: { user?: string; password?: string } = {}) {
  const options = { max: 1, onnotice: () => undefined, connect_timeout: 2 };
  const sql = postgres({ ...cluster.superuser, ...login, ...options });
  try {
    return await sql.unsafe(text).then((rows) => [...rows]);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

async function eventually(check: () => Promise<unknown>, withinMs: number): Promise<void> {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const error = await check().then(() => undefined, (error) => error);
    if (error === undefined) return;
    if (Date.now() > deadline) throw error;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

Deno.test("startCluster() keeps data and port over a stop, and starts again", () =>
  withFolder(async ({ start, said }) => {
    const first = await start();
    await query(first, "create table kept as select 42 as answer");
    const { port } = first;
    await first.stop();
    await first.stop();
    assert.equal(first.pid, 0);
    const second = await start();
    assert.equal(second.port, port);
    assert.deepEqual(await query(second, "select answer from kept"), [{ answer: 42 }]);
    assert.deepEqual(said, []);
  }));

Deno.test("startCluster() makes a UTF-8 cluster that lets in nobody without the password, over loopback only", () =>
  withFolder(async ({ start }) => {
    const cluster = await start();
    const settings = "select current_setting('server_encoding') as encoding, datlocale as locale, " +
      "current_setting('listen_addresses') as addresses, current_setting('unix_socket_directories') as sockets " +
      "from pg_database where datname = 'postgres'";
    assert.deepEqual(await query(cluster, settings), [
      { encoding: "UTF8", locale: "C.UTF-8", addresses: "127.0.0.1", sockets: "" },
    ]);
    await assert.rejects(query(cluster, "select 1", { password: "two" }), /password authentication failed/);
    const methods = "select distinct auth_method from pg_hba_file_rules";
    assert.deepEqual(await query(cluster, methods), [{ auth_method: "scram-sha-256" }]);
  }));

Deno.test("startCluster() is not stopped by the pid file of a dead process or of another program", () =>
  withFolder(async ({ dir, start, said }) => {
    const cluster = await start();
    const file = join(dir, "main", "data", "postmaster.pid");
    const [, ...rest] = (await Deno.readTextFile(file)).split("\n");
    await cluster.stop();
    const dead = new Deno.Command(Deno.execPath(), { args: ["--version"], stdout: "null" }).spawn();
    await dead.status;
    for (const pid of [dead.pid, Deno.pid]) {
      await Deno.writeTextFile(file, [pid, ...rest].join("\n"));
      const healed = await start();
      assert.match(said.pop() ?? "", new RegExp(`Removed the lock .* ${pid}`));
      await query(healed, "select 1");
      await healed.stop();
    }
  }));

Deno.test("startCluster() takes the next port while its own is taken, and comes back to the one it had first", () =>
  withFolder(async ({ start }) => {
    let taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const first = await start(taken.addr.port);
    const { port } = first;
    assert.ok(port > taken.addr.port);
    assert.equal(first.superuser.port, port);
    await query(first, "select 1");
    await first.stop();
    taken.close();
    taken = Deno.listen({ hostname: "127.0.0.1", port });
    const moved = await start();
    assert.notEqual(moved.port, port);
    await moved.stop();
    taken.close();
    assert.equal((await start()).port, port);
  }));

Deno.test("startCluster() stops the server that a killed process left behind, and refuses a live one's", () =>
  withFolder(async ({ dir, start, said }) => {
    const module = new URL("../../src/embedded/cluster.ts", import.meta.url).href;
    const program = `const { startCluster } = await import(${JSON.stringify(module)});
      const cluster = await startCluster({ dir: ${
      JSON.stringify(dir)
    }, name: "main", superuserPassword: "one", fast: true });
      console.log(cluster.pid);
      setInterval(() => {}, 1000);`;
    const parent = new Deno.Command(Deno.execPath(), { args: ["eval", program], stdout: "piped", stderr: "null" })
      .spawn();
    const reader = parent.stdout.getReader();
    const pid = Number(new TextDecoder().decode((await reader.read()).value));
    await assert.rejects(start(), new RegExp(`Stop process ${parent.pid} first`));
    parent.kill("SIGKILL");
    await parent.status;
    await reader.cancel();
    Deno.kill(pid, "SIGCONT");
    const cluster = await start();
    assert.match(said[0], new RegExp(`Stopped the PostgreSQL server ${pid}`));
    assert.notEqual(cluster.pid, pid);
    await query(cluster, "select 1");
  }));

Deno.test("kill() and restart() crash the server and bring it back on its port with what was committed", () =>
  withFolder(async ({ start }) => {
    const cluster = await start();
    const { port, pid } = cluster;
    await query(cluster, "create table kept as select 1 as answer");
    await cluster.kill();
    await assert.rejects(query(cluster, "select 1"), /ECONNREFUSED/);
    await cluster.restart();
    assert.deepEqual(await query(cluster, "select answer from kept"), [{ answer: 1 }]);
    await cluster.restart();
    assert.equal(cluster.port, port);
    assert.notEqual(cluster.pid, pid);
  }));

Deno.test("startCluster() starts a server again that ended by itself, within 5 s and on its port", () =>
  withFolder(async ({ start, said }) => {
    const cluster = await start();
    const { pid, port } = cluster;
    const session = query(cluster, "select pg_sleep(30)").catch((error) => error);
    await query(cluster, "create table kept as select 1 as answer");
    Deno.kill(pid, "SIGKILL");
    await eventually(() => query(cluster, "select answer from kept"), 5_000);
    assert.equal(cluster.port, port);
    assert.match(said[0], /ended by itself/);
    assert.ok(await session instanceof Error);
  }));

Deno.test("stop() leaves no server and frees the port", () =>
  withFolder(async ({ start }) => {
    const cluster = await start();
    const { pid } = cluster;
    await cluster.stop();
    assert.ok(isFree(cluster.port));
    // A process that ended is there until the system has told its parent.
    await eventually(() => Promise.resolve().then(() => assert.throws(() => Deno.kill(pid, "SIGCONT"))), 2_000);
  }));

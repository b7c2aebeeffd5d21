// The PostgreSQL server that tests run on: the one that BULKHEAD_TEST_SERVER names (what `deno task test` starts), else
// one of this test file's own, in a temporary folder, gone with the process. Never a server that anyone else uses: its
// roles get passwords that everybody can derive.
import { type Cluster, startCluster } from "../embedded/cluster.ts";

/** How to connect to the test server as superuser. */
export interface TestServer {
  host: string;
  port: number;
  user: string;
  password: string;
  /** Ends a server that was started here; one that was found is left alone. */
  stop(): Promise<void>;
}

/** Finds or starts the server. Starting takes about 3 seconds. */
export async function openServer(): Promise<TestServer> {
  const url = Deno.env.get("BULKHEAD_TEST_SERVER");
  return url ? found(new URL(url)) : await started();
}

function found({ hostname, port, username, password }: URL): TestServer {
  return {
    host: hostname,
    port: Number(port),
    user: username,
    password: decodeURIComponent(password),
    stop: async () => {},
  };
}

async function started(): Promise<TestServer> {
  const dir = await Deno.makeTempDir({ prefix: "bulkhead-test-own-" });
  const cluster = await startCluster({
    dir,
    name: "main",
    port: 54500,
    superuserPassword: crypto.randomUUID(),
    fast: true,
  });
  const abandon = () => removeAtOnce(cluster, dir);
  globalThis.addEventListener("unload", abandon);
  const { host, port, user, password } = cluster.superuser;
  return {
    host,
    port,
    user,
    password,
    async stop() {
      globalThis.removeEventListener("unload", abandon);
      await cluster.stop();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

/** For a process that ends without its hooks: nothing can be awaited then, and the server needs a moment to go. */
function removeAtOnce(cluster: Cluster, dir: string): void {
  if (cluster.pid) Deno.kill(cluster.pid, "SIGKILL");
  for (let attempt = 0; attempt < 50; attempt++) {
    try {
      return Deno.removeSync(dir, { recursive: true });
    } catch {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}

import { prepareGround } from "./ground.ts";
import { readConfig } from "../../config.ts";
const dir = Deno.makeTempDirSync({ prefix: "bulkhead-bench-" });
const t = performance.now();
const ground = await prepareGround(readConfig({ LOG_LEVEL: "silent" }), dir);
console.log(performance.now() - t, ground.filledIn);
Deno.writeTextFileSync("/tmp/rig.json", JSON.stringify({ ...ground, servers: undefined, settings: ground.servers.settings, masterKey: [...ground.servers.masterKey], pid: Deno.pid }));
setTimeout(() => Deno.exit(0), 25 * 60_000);

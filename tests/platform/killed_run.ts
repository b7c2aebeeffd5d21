// A process that provisions up to a point and then kills itself, for saga_test.ts; what to do comes as JSON in RUN.
import { readConfig } from "../../src/config.ts";
import { provision } from "../../src/platform/provisioning/saga.ts";
import { createServices } from "../../src/services.ts";
import { Servers } from "../../src/tenancy/servers.ts";

const { settings, masterKey, id, point, leaseSeconds } = JSON.parse(Deno.env.get("RUN")!);
const { services } = await createServices({
  config: readConfig({ LOG_LEVEL: "error" }),
  servers: new Servers(settings, Uint8Array.from(masterKey)),
  publicUrl: "http://localhost",
  worker: false,
  localMail: { send: () => Promise.resolve() },
});
await provision(services, {
  applicationId: id,
  jobId: "killed",
  lastAttempt: false,
  leaseSeconds,
  checkpoint: (at) => {
    if (at === point) Deno.kill(Deno.pid, "SIGKILL");
    return Promise.resolve();
  },
});
console.error(`The run never came to "${point}"`);
Deno.exit(1);

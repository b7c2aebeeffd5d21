// `dev`: the same platform as `demo`, without the story. Serves until Ctrl-C.
import type { Config } from "../config.ts";
import { startLocal } from "./local.ts";

/** Starts the platform and says where it is. */
export async function dev(options: { config: Config; dir: string }): Promise<void> {
  const local = await startLocal({ ...options, say: console.log });
  const ms = Object.values(local.timings).reduce((sum, part) => sum + part, 0);
  console.log(`Bulkhead serves at ${local.url} (started in ${ms} ms)
  API documentation  ${local.url}/docs
  Mailbox            ${local.url}/dev/mail
  Operator           ${local.operator.email}, password in ${local.home.dir}/run.json`);
}

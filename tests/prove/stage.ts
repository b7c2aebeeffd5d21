// The grounds of the prover's tests: the two servers of the test run, and the master key that all their roles derive from.
import { readConfig } from "../../src/config.ts";
import type { Grounds } from "../../src/prove/scratch.ts";
import { MASTER_KEY } from "../support/app.ts";
import { secondTestServer, testServer } from "../support/postgres.ts";

/** Makes them. */
export async function testGrounds(): Promise<Grounds> {
  const [own, customer] = await Promise.all([testServer(), secondTestServer()]);
  return {
    config: readConfig({ LOG_LEVEL: "silent" }),
    masterKey: Uint8Array.from(atob(MASTER_KEY), (letter) => letter.charCodeAt(0)),
    own: { ...own, database: "postgres" },
    customer: { ...customer, database: "postgres" },
  };
}

export const loose = { sanitizeOps: false, sanitizeResources: false };

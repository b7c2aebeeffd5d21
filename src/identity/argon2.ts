// The argon2id computation itself, run by a worker or in-process. It blocks its thread for about 85 ms.
// A stored hash is not trusted to choose its own cost: it may come from a customer's database.

import { argon2id, argon2Verify } from "hash-wasm";

/** One computation, as it is sent to a worker. */
export type Argon2Job = { kind: "hash"; password: string } | { kind: "verify"; password: string; hash: string };

// OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, 2 passes, 1 lane.
const COST = { memorySize: 19_456, iterations: 2, parallelism: 1 };
const SALT_BYTES = 16;
const HASH_BYTES = 32;
// Up to about seven times the cost above, so that the parameters can be raised one day.
const LIMIT = { memorySize: 65_536, iterations: 4, parallelism: 4 };
const PHC = /^\$argon2id\$v=19\$m=(\d{1,6}),t=(\d{1,2}),p=(\d{1,2})\$[A-Za-z0-9+/]{22,86}\$[A-Za-z0-9+/]{43,86}$/;

/** A hash with the same cost as a real one, which no password is known to give. */
export const DUMMY_HASH = `$argon2id$v=19$m=${COST.memorySize},t=${COST.iterations},p=${COST.parallelism}` +
  "$QnVsa2hlYWREdW1teVNhbA$7u8ZQO5Dg0JTrjU5Yq7yJ3l1SWm0cVf2nXbK9aPt4hE";

/** Whether a stored hash is argon2id in PHC form at a cost that we are ready to pay. */
export function isAcceptableHash(hash: string): boolean {
  const [, memory, passes, lanes] = PHC.exec(hash)?.map(Number) ?? [];
  const isPossible = lanes >= 1 && passes >= 1 && memory >= 8 * lanes;
  return isPossible && memory <= LIMIT.memorySize && passes <= LIMIT.iterations && lanes <= LIMIT.parallelism;
}

/** Computes one job on this thread: the PHC string for `hash`, whether it matches for `verify`. */
export function computeArgon2(job: Argon2Job): Promise<string | boolean> {
  // Two keyboards may write the same letter as different code points (NIST SP 800-63B, 3.1.1.2).
  const password = job.password.normalize("NFKC");
  if (job.kind === "verify") return argon2Verify({ password, hash: job.hash });
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  return argon2id({ ...COST, password, salt, hashLength: HASH_BYTES, outputType: "encoded" });
}

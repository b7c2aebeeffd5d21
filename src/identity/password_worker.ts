// The body of a password worker: takes one argon2 job at a time and posts its result, so that the hashing never
// blocks the thread that answers requests. Only passwords.ts starts it.

import { type Argon2Job, computeArgon2 } from "./argon2.ts";

/** What the worker posts back. Failures carry no text: it could hold the password. */
export type Argon2Answer = { value: string | boolean } | { failed: true };

interface WorkerScope {
  onmessage: ((event: MessageEvent<Argon2Job>) => void) | null;
  postMessage(answer: Argon2Answer): void;
}

// The program is checked with the types of a window; here `self` is a worker's.
const scope = self as unknown as WorkerScope;

scope.onmessage = async (event) => {
  try {
    scope.postMessage({ value: await computeArgon2(event.data) });
  } catch {
    scope.postMessage({ failed: true });
  }
};

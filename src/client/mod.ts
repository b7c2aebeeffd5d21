// `bulkhead/client`: the token side of a client. A generated client is given `createClient(…).fetch` for its fetch and need not
// know of tokens, tenants and waiting. Web standards only, and nothing of the platform is imported here: it runs in Deno,
// Node 20, browsers and on the edge. See docs/clients.md.
export { browserStore } from "./browser_store.ts";
export { createClient } from "./client.ts";
export type { ApiKey, Client, ClientOptions, NewPassword, SessionClient } from "./client.ts";
export type { FactorGiven, SignedInAnswer, SignInStep } from "./answers.ts";
export type { Lock } from "./lock.ts";
export { expectOk, ProblemError, problemOf, SessionEndedError, TargetRefusedError } from "./problems.ts";
export type { Fault } from "./problems.ts";
export type { RetryOptions } from "./retries.ts";
export { memoryStore } from "./session.ts";
export type { SessionOptions, TokenStore } from "./session.ts";

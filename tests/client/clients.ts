// Clients for tests of sessions: with a clock that can be put forward, and a store that tells what it was given.
import { createClient, type Lock, memoryStore, type TokenStore } from "bulkhead/client";

/** What a client is given; what is left out is as a program that says nothing has it. */
export interface Given {
  store?: TokenStore;
  lock?: Lock;
  fetch?: typeof fetch;
}

/** A client, milliseconds that its clock is ahead, and all that its store was given. */
export function newClient(
  { url, tenant, store = memoryStore(), lock, fetch }: Given & { url: string; tenant: string },
) {
  const clock = { ahead: 0 };
  const saved: (string | null)[] = [];
  const noting: TokenStore = {
    load: () => store.load(),
    save: async (token) => {
      await store.save(token);
      saved.push(token);
    },
  };
  const client = createClient({
    url,
    tenant,
    auth: { store: noting, lock },
    fetch,
    now: () => Date.now() + clock.ahead,
  });
  return { client, clock, saved };
}

/** The status of an answer that nobody reads. */
export async function status(response: Promise<Response>): Promise<number> {
  const answer = await response;
  await answer.body?.cancel();
  return answer.status;
}

// One at a time: whoever shares a store of refresh tokens refreshes in turn, for a token that comes again later ends the session.

/** Runs `work` while nobody else holds the lock of this name, and gives what it gives. */
export type Lock = <T>(name: string, work: () => Promise<T>) => Promise<T>;

/** The part of the Web Locks API that is used here: https://w3c.github.io/web-locks/ */
interface WebLocks {
  request<T>(name: string, work: () => Promise<T>): Promise<T>;
}

/** The last who waits for each name. */
const last = new Map<string, Promise<unknown>>();

/** All tabs of an origin where there are Web Locks; else this process alone. */
export const defaultLock: Lock = async (name, work) => {
  const { navigator } = globalThis as { navigator?: { locks?: WebLocks } };
  return navigator?.locks ? await navigator.locks.request(name, work) : await inThisProcess(name, work);
};

/** In the order of asking, whether who came before succeeded or not. */
export const inThisProcess: Lock = async (name, work) => {
  const mine = (last.get(name) ?? Promise.resolve()).then(work, work);
  last.set(name, mine);
  try {
    return await mine;
  } finally {
    if (last.get(name) === mine) last.delete(name);
  }
};

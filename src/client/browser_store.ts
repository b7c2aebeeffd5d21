// A refresh token kept by a browser for all tabs of an origin, in IndexedDB. Not in localStorage: a tab may read there what
// was before another tab's last write, even when the two take turns, and would use a token that is used up.
import type { TokenStore } from "./session.ts";

/** The parts of IndexedDB that are used here: https://w3c.github.io/IndexedDB/ */
interface Asked<T> {
  result: T;
  error: Error | null;
  onsuccess: (() => void) | null;
  onerror: (() => void) | null;
}

interface Table {
  get(key: string): Asked<unknown>;
  put(value: string, key: string): Asked<unknown>;
  delete(key: string): Asked<unknown>;
}

interface Transaction {
  objectStore(name: string): Table;
  error: Error | null;
  oncomplete: (() => void) | null;
  onabort: (() => void) | null;
}

interface Database {
  createObjectStore(name: string): Table;
  transaction(name: string, mode: string, options: { durability: string }): Transaction;
  close(): void;
}

interface Factory {
  open(name: string, version: number): Asked<Database> & { onupgradeneeded: (() => void) | null };
}

const DATABASE = "bulkhead";
const TABLE = "refresh_tokens";

/**
 * A store that all tabs of an origin share. Any script of the origin can read it.
 * @param key Tells sessions apart: give one for each tenant that people of one browser sign in to.
 */
export function browserStore(key = "session"): TokenStore {
  return {
    load: () =>
      inTable("readonly", (table) => table.get(key)).then((found) => typeof found === "string" ? found : null),
    save: async (token) => {
      await inTable("readwrite", (table) => token === null ? table.delete(key) : table.put(token, key));
    },
  };
}

/** Runs one statement; resolves when its transaction is on the disk. */
async function inTable(mode: "readonly" | "readwrite", ask: (table: Table) => Asked<unknown>): Promise<unknown> {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(TABLE, mode, { durability: "strict" });
      const asked = ask(transaction.objectStore(TABLE));
      transaction.oncomplete = () => resolve(asked.result);
      transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

function open(): Promise<Database> {
  const { indexedDB } = globalThis as unknown as { indexedDB: Factory };
  const opening = indexedDB.open(DATABASE, 1);
  return new Promise((resolve, reject) => {
    opening.onupgradeneeded = () => void opening.result.createObjectStore(TABLE);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}

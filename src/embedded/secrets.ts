// Secrets made at random at the first start and kept in one file that only its owner can read.

import { randomBytes } from "node:crypto";

/** The secrets of one home folder. */
export interface Secrets {
  /** 32 random bytes, base64: the key that everything stored encrypted is sealed with. */
  readonly masterKey: string;
  /** The password kept under `name` (24 random bytes, base64url), made and saved at the first call. */
  password(name: string): Promise<string>;
}

interface Content {
  master_key: string;
  passwords: Record<string, string>;
}

/** Reads the secrets in the file `path`, or makes a new one. Throws when the file is there but damaged. */
export async function openSecrets(path: string): Promise<Secrets> {
  const text = await readIfThere(path);
  const content = text === undefined
    ? { master_key: randomBytes(32).toString("base64"), passwords: {} }
    : parse(text, path);
  if (text === undefined) await save(path, content);
  let saving = Promise.resolve();
  return {
    masterKey: content.master_key,
    password: async (name) => {
      if (!Object.hasOwn(content.passwords, name)) {
        content.passwords[name] = randomBytes(24).toString("base64url");
        saving = saving.then(() => save(path, content));
      }
      await saving;
      return content.passwords[name];
    },
  };
}

/** Writes `text` to `path` with mode 0600, whole or not at all. */
export async function writePrivate(path: string, text: string): Promise<void> {
  const unfinished = `${path}.${Deno.pid}.unfinished`;
  await Deno.remove(unfinished).catch(() => undefined);
  const file = await Deno.open(unfinished, { write: true, createNew: true, mode: 0o600 });
  try {
    await file.write(new TextEncoder().encode(text));
    await file.syncData();
  } finally {
    file.close();
  }
  await Deno.rename(unfinished, path);
}

function parse(text: string, path: string): Content {
  try {
    const content = JSON.parse(text) as Content;
    const bytes = atob(content.master_key).length;
    if (bytes !== 32) throw new Error(`Give a master key of 32 bytes, not ${bytes}`);
    return { master_key: content.master_key, passwords: { ...content.passwords } };
  } catch (cause) {
    throw new Error(`Restore "${path}" from a backup, or start over with "deno task reset": it is damaged`, { cause });
  }
}

async function save(path: string, content: Content): Promise<void> {
  await writePrivate(path, JSON.stringify(content, undefined, 2) + "\n");
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

// The local adapter: a mailbox in a folder, one JSON file per mail, which only its owner may read (mails hold set-up
// links). It needs no mail server and is shown at /dev/mail; it must not be offered to the public.

import { createHash } from "node:crypto";
import { AppError } from "../../errors.ts";
import { checkMessage, type Mail, type Message } from "./mail.ts";

/** A mail as it lies in the mailbox. */
export interface StoredMail {
  /** 16 hexadecimal digits; the same for the same idempotency key. */
  id: string;
  /** When it was sent, ISO 8601 in UTC. */
  time: string;
  to: string;
  subject: string;
  text: string;
  html?: string;
}

/** A mailbox to send to and to read from. */
export interface Mailbox extends Mail {
  /** The newest mails first, at most `limit` (default 200). */
  list(limit?: number): Promise<StoredMail[]>;
  /** One mail. @throws AppError `not_found`. */
  read(id: string): Promise<StoredMail>;
}

// 2026-01-31T10-20-30.123Z-0123456789abcdef.json: sorts by time, and is a valid name on every system.
const FILE = /^(\d{4}-\d{2}-\d{2}T[\d-]{8}\.\d{3}Z)-([0-9a-f]{16})\.json$/;

/** The mailbox in this folder, which is made (mode 0700) when the first mail comes. */
export function createMailbox(folder: string): Mailbox {
  let lastTime = 0;
  let previous: Promise<void> = Promise.resolve();

  async function deliver(message: Message): Promise<void> {
    const id = message.idempotencyKey === undefined ? randomId() : keyedId(message.idempotencyKey);
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    if (message.idempotencyKey !== undefined && await findFile(folder, id)) return;
    // Two mails of one millisecond would lose their order.
    lastTime = Math.max(Date.now(), lastTime + 1);
    const time = new Date(lastTime).toISOString();
    const { to, subject, text, html } = message;
    const stored: StoredMail = { id, time, to, subject, text, html };
    await writeWhole(folder, `${time.replaceAll(":", "-")}-${id}.json`, JSON.stringify(stored, null, 2));
  }

  return {
    send: async (message) => {
      checkMessage(message);
      // One after another, so that two sends with one key cannot both find no file.
      const mine = previous.then(() => deliver(message));
      previous = mine.catch(() => {});
      await mine;
    },
    list: async (limit = 200) => {
      const names = (await fileNames(folder)).sort().reverse().slice(0, limit);
      const mails = await Promise.all(names.map((name) => readMail(folder, name)));
      return mails.filter((mail) => mail !== undefined);
    },
    read: async (id) => {
      const name = await findFile(folder, id);
      const mail = name === undefined ? undefined : await readMail(folder, name);
      if (!mail) throw new AppError("not_found", "There is no such mail");
      return mail;
    },
  };
}

function randomId(): string {
  return crypto.randomUUID().replaceAll("-", "").slice(-16);
}

function keyedId(key: string): string {
  return createHash("sha256").update(key).digest("hex").slice(0, 16);
}

async function fileNames(folder: string): Promise<string[]> {
  try {
    const entries = await Array.fromAsync(Deno.readDir(folder));
    return entries.filter((entry) => entry.isFile && FILE.test(entry.name)).map((entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function findFile(folder: string, id: string): Promise<string | undefined> {
  return (await fileNames(folder)).find((name) => FILE.exec(name)?.[2] === id);
}

/** A file that someone removed or broke meanwhile is as if it were not there. */
async function readMail(folder: string, name: string): Promise<StoredMail | undefined> {
  try {
    return JSON.parse(await Deno.readTextFile(`${folder}/${name}`));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Readers see the whole file or none: it is written under another name first. */
async function writeWhole(folder: string, name: string, text: string): Promise<void> {
  const draft = `${folder}/.${name}.draft`;
  await Deno.writeTextFile(draft, text, { mode: 0o600, createNew: true });
  await Deno.rename(draft, `${folder}/${name}`);
}

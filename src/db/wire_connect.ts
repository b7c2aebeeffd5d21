// From nothing to a session that is ready for statements: TCP, TLS, login. The server may be a customer's and hostile:
// the certificate is always verified, passwords are never sent in a form that can be replayed or guessed, and one
// deadline and one byte limit hold for all of it.
import { Buffer } from "node:buffer";
import net from "node:net";
import tls from "node:tls";
import { CannotConnect } from "./cannot_connect.ts";
import { BACK, cstring, FRONT, int32, message, readError } from "./wire_messages.ts";
import { ScramClient } from "./wire_scram.ts";

/** A PostgreSQL database and the login to use there. */
export interface Target {
  /** Host name, or an address that was resolved and checked before. */
  host: string;
  port: number;
  database: string;
  user: string;
  password: string;
  /** `require` verifies the certificate and its name against `ca` (PEM) or the system's roots. Default: `disable`. */
  tls?: { mode: "disable" | "require"; ca?: string; servername?: string };
  applicationName?: string;
  /**
   * `transaction`: a pooler that gives each transaction another backend, such as pgbouncer. Nothing is prepared by name
   * then and contexts are not bound to a backend; poolers that carry named statements (pgbouncer from 1.21 on, Supavisor)
   * are served the same way, since a named statement of a shared session can be swapped. Default: `none`.
   */
  pooler?: "none" | "transaction";
}

/** A connection that has logged in. */
export interface Session {
  socket: net.Socket;
  /** Backend process id, or what a pooler gives for cancelling; 0 if the server did not say. */
  pid: number;
  /** What a cancel request must show. */
  secret: Buffer;
  /** Bytes that arrived after ReadyForQuery. */
  rest: Buffer;
}

export interface ConnectOptions {
  /** Milliseconds for TCP, TLS and login together; default 5,000. */
  connectMs?: number;
  /** Further start-up parameters, such as `statement_timeout`. */
  parameters?: Record<string, string>;
}

const PROTOCOL_3_0 = 196_608;
const SSL_REQUEST = Buffer.concat([int32(8), int32(80_877_103)]);
const CANCEL_REQUEST = 80_877_102;
const MAX_LOGIN_BYTES = 256 * 1024;
const CANCEL_MS = 2_000;
/** Longer than pgbouncer tries to reach the server: 1.18 crashes when a cancel request hangs up before (its issue 801). */
const POOLED_CANCEL_MS = 16_000;

/** Why a connection was refused; becomes the `cause` of the AppError. `code` is an SQLSTATE, an errno or one of ours. */
export class ConnectError extends Error {
  constructor(readonly code: string, text: string) {
    super(text);
  }
}

/**
 * Connects and logs in.
 * @throws CannotConnect `database_unavailable`; its cause has a `code`: the server's SQLSTATE (`28P01`, `3D000`, `53300` …), an
 * errno (`ECONNREFUSED`), or `CONNECT_TIMEOUT`, `TLS_REFUSED`, `WEAK_AUTHENTICATION`, `SCRAM_REFUSED`, `PROTOCOL`.
 */
export async function openSession(target: Target, options: ConnectOptions = {}): Promise<Session> {
  const { connectMs = 5_000, parameters = {} } = options;
  const opened: net.Socket[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<never>((_, reject) => {
    const late = new ConnectError("CONNECT_TIMEOUT", `The server did not answer within ${connectMs} ms`);
    timer = setTimeout(() => reject(late), connectMs);
  });
  try {
    return await Promise.race([logIn(target, parameters, opened), expired]);
  } catch (cause) {
    for (const socket of opened) socket.destroy();
    const { host, port, database, user } = target;
    throw new CannotConnect({ host, port, database, user }, cause);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks the server to cancel what the session is doing, over a connection of its own, with TLS if the session has it. */
export async function requestCancel(target: Target, session: Pick<Session, "pid" | "secret">): Promise<void> {
  const opened: net.Socket[] = [];
  const isPooled = target.pooler === "transaction";
  const limit = isPooled ? POOLED_CANCEL_MS : CANCEL_MS;
  const timer = setTimeout(() => opened.forEach((socket) => socket.destroy()), limit);
  try {
    const socket = await reach(target, opened);
    const head = [int32(12 + session.secret.length), int32(CANCEL_REQUEST), int32(session.pid)];
    await new Promise<void>((resolve) => {
      socket.once("close", () => resolve());
      socket.resume();
      const request = Buffer.concat([...head, session.secret]);
      if (isPooled) socket.write(request); // the pooler closes when it has passed it on
      else socket.end(request);
    });
  } catch {
    // the session is cut anyway, and the server notices that when it next writes
  } finally {
    clearTimeout(timer);
    opened.forEach((socket) => socket.destroy());
  }
}

/** TCP, and TLS if asked for. Every socket is put into `opened`, for whoever has to give up. */
async function reach(target: Target, opened: net.Socket[]): Promise<net.Socket> {
  const plain = net.connect({ host: target.host, port: target.port, noDelay: true, keepAlive: true });
  opened.push(plain);
  plain.on("error", () => {}); // once more after the one that is awaited must not end the process
  await happened(plain, "connect");
  if (target.tls?.mode !== "require") return plain;
  plain.write(SSL_REQUEST);
  const [answer] = await happened(plain, "data") as [Buffer];
  if (answer.length !== 1 || answer[0] !== "S".charCodeAt(0)) { // more than the one byte was put there by someone else
    throw new ConnectError("TLS_REFUSED", "The server does not offer TLS");
  }
  const { servername = target.host, ca } = target.tls;
  const isAddress = net.isIP(servername) !== 0;
  const secure = tls.connect({
    socket: plain,
    host: servername,
    servername: isAddress ? undefined : servername,
    ca,
    rejectUnauthorized: true,
  });
  opened.push(secure);
  secure.on("error", () => {});
  await happened(secure, "secureConnect");
  return secure;
}

/** Resolves with the event's arguments; rejects when the socket fails or closes first. */
function happened(socket: net.Socket, event: string): Promise<unknown[]> {
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.once("close", () => reject(new ConnectError("ECONNRESET", "The server closed the connection")));
    socket.once(event, (...values: unknown[]) => resolve(values));
  });
}

async function logIn(target: Target, parameters: Record<string, string>, opened: net.Socket[]): Promise<Session> {
  const socket = await reach(target, opened);
  const login = new Login(socket);
  socket.write(startupMessage(target, parameters));
  await authenticate(login, target.password);
  let pid = 0, secret: Buffer = Buffer.alloc(4);
  for (;;) {
    const { type, body } = await login.next();
    if (type === BACK.ready) break;
    if (type === BACK.key && body.length >= 8) [pid, secret] = [body.readInt32BE(0), Buffer.from(body.subarray(4))];
    else if (type !== BACK.parameter) throw new ConnectError("PROTOCOL", "The server broke the protocol at login");
  }
  return { socket, pid, secret, rest: login.finish() };
}

function startupMessage(target: Target, parameters: Record<string, string>): Buffer {
  const all = {
    user: target.user,
    database: target.database,
    application_name: target.applicationName ?? "bulkhead",
    client_encoding: "UTF8",
    DateStyle: "ISO, MDY", // whole, as the server repeats it: poolers compare, and would set it for each transaction
    TimeZone: "UTC",
    ...parameters,
  };
  const pairs = Object.entries(all).flatMap(([name, value]) => [cstring(name), cstring(value)]);
  const body = Buffer.concat([int32(PROTOCOL_3_0), ...pairs, Buffer.alloc(1)]);
  return Buffer.concat([int32(body.length + 4), body]);
}

/** Answers the server's requests: SCRAM-SHA-256, or none at all where the server trusts us. */
async function authenticate(login: Login, password: string): Promise<void> {
  let scram: ScramClient | null = null;
  for (;;) {
    const { type, body } = await login.next();
    if (type !== BACK.authentication || body.length < 4) {
      throw new ConnectError("PROTOCOL", "The server broke the protocol at login");
    }
    const request = body.readInt32BE(0);
    const text = body.toString("utf8", 4);
    if (request === 0 && (!scram || scram.verified)) return;
    if (request === 10 && !scram && text.split("\0").includes("SCRAM-SHA-256")) {
      scram = new ScramClient(password);
      const first = Buffer.from(scram.first());
      login.send(cstring("SCRAM-SHA-256"), int32(first.length), first);
    } else if (request === 11 && scram) login.send(Buffer.from(await scram.answer(text)));
    else if (request === 12 && scram) scram.verify(text);
    else throw new ConnectError("WEAK_AUTHENTICATION", "The server asks for another login than SCRAM-SHA-256");
  }
}

/** Whole messages, one after another, while logging in. Errors of the server are thrown, notices are skipped. */
class Login {
  #pending = Buffer.alloc(0);
  #received = 0;
  #failure: Error | null = null;
  #wake: () => void = () => {};

  readonly #listen = (chunk: Buffer) => {
    this.#received += chunk.length;
    if (this.#received > MAX_LOGIN_BYTES) this.#fail(new ConnectError("PROTOCOL", "The server sent too much at login"));
    else this.#pending = Buffer.concat([this.#pending, chunk]);
    this.#wake();
  };

  constructor(readonly socket: net.Socket) {
    socket.on("data", this.#listen);
    socket.on("error", (error: Error) => this.#fail(error));
    socket.on("close", () => this.#fail(new ConnectError("ECONNRESET", "The server closed the connection")));
  }

  async next(): Promise<{ type: number; body: Buffer }> {
    for (;;) {
      const found = this.#received > MAX_LOGIN_BYTES ? null : this.#whole();
      if (!found) {
        if (this.#failure) throw this.#failure;
        await new Promise<void>((resolve) => this.#wake = resolve);
      } else if (found.type === BACK.error) {
        const error = readError(found.bytes, 0, found.bytes.length);
        throw new ConnectError(error.sqlstate, error.message);
      } else if (found.type !== BACK.notice) return { type: found.type, body: found.bytes.subarray(5) };
    }
  }

  /** Sends one message of the login exchange. */
  send(...parts: Uint8Array[]): void {
    this.socket.write(message(FRONT.secret, ...parts));
  }

  /** Stops listening; returns what was received and not read. */
  finish(): Buffer {
    this.socket.removeListener("data", this.#listen);
    this.socket.pause(); // until the wire listens
    return this.#pending;
  }

  #whole(): { type: number; bytes: Buffer } | null {
    const pending = this.#pending;
    if (pending.length < 5) return null;
    const length = pending.readUInt32BE(1);
    if (length < 4 || length > MAX_LOGIN_BYTES) {
      throw new ConnectError("PROTOCOL", "The server is not PostgreSQL or broke the protocol at login");
    }
    if (pending.length < length + 1) return null;
    this.#pending = pending.subarray(length + 1);
    return { type: pending[0], bytes: pending.subarray(0, length + 1) };
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }
}

// The one who asks: the same for all contenders and as cheap as it can be, since it shares the machine with them. Each
// lane sends prepared bytes over a connection of its own and reads the answer by its Content-Length.
import { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";

/** A contender as the client sees it. */
export interface Asked {
  port: number;
  /** One request for each tenant, as the bytes to send. */
  requests: Buffer[];
  /** Body length by request: no row changes while it is measured, so an answer of another length is wrong. */
  lengths: Map<number, number>;
}

/** What came of a round. */
export interface Round {
  perSecond: number;
  /** Milliseconds that the answer in the middle took. */
  p50: number;
}

/** Asks in `lanes` lanes for `ms` milliseconds. Throws at the first wrong answer. */
export async function ask(asked: Asked, { lanes, ms }: { lanes: number; ms: number }): Promise<Round> {
  const taken: number[] = [];
  const started = performance.now();
  await Promise.all(Array.from({ length: lanes }, (_, lane) => runLane(asked, lane, lanes, started + ms, taken)));
  const seconds = (performance.now() - started) / 1000;
  const sorted = Float64Array.from(taken).sort();
  return { perSecond: taken.length / seconds, p50: sorted[Math.floor(sorted.length / 2)] };
}

/** Asks one after another, each lane its own tenants. */
function runLane(asked: Asked, lane: number, lanes: number, until: number, taken: number[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ host: "127.0.0.1", port: asked.port, noDelay: true });
    const end = (error?: Error) => {
      socket.destroy();
      if (error) reject(error);
      else resolve();
    };
    let parts: Buffer[] = [];
    let [missing, sent, at] = [-1, 0, lane];
    const send = () => {
      if (performance.now() >= until) return end();
      [parts, missing, at] = [[], -1, (at + lanes) % asked.requests.length];
      sent = performance.now();
      socket.write(asked.requests[at]);
    };
    socket.once("connect", send);
    socket.on("error", end);
    socket.on("data", (bytes: Buffer) => {
      if (missing < 0) {
        parts.push(bytes);
        const head = readHead(parts.length === 1 ? bytes : parts[0] = Buffer.concat(parts.splice(0)));
        if (!head) return;
        const fault = faultOf(asked, at, head);
        if (fault) return end(new Error(`${fault}: ${head.text.slice(0, 1000)}`));
        missing = head.rest;
      } else missing -= bytes.length;
      if (missing > 0) return;
      taken.push(performance.now() - sent);
      send();
    });
  });
}

interface Head {
  status: number;
  length: number;
  /** Bytes of the body that are not here yet. */
  rest: number;
  text: string;
}

function readHead(bytes: Buffer): Head | null {
  const end = bytes.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const text = bytes.toString("latin1", 0, end);
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? NaN);
  const status = Number(text.slice(9, 12));
  return {
    status,
    length,
    rest: end + 4 + length - bytes.length,
    text: status === 200 ? text : bytes.toString("latin1"),
  };
}

function faultOf({ lengths }: Asked, at: number, { status, length }: Head): string | null {
  if (status !== 200 || Number.isNaN(length)) return `The answer was ${status}`;
  if (!lengths.has(at)) lengths.set(at, length);
  return lengths.get(at) === length ? null : `The answer has ${length} bytes instead of ${lengths.get(at)}`;
}

/** The bytes of a request. */
export function requestBytes(
  { method, path, headers, body }: { method: string; path: string; headers: Record<string, string>; body?: string },
): Buffer {
  const all = { host: "127.0.0.1", ...headers, ...(body && { "content-length": String(Buffer.byteLength(body)) }) };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines}\r\n${body ?? ""}`);
}

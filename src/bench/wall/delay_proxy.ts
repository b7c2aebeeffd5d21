// A network between the app and PostgreSQL: passes TCP on after half the delay in each direction. Chunks keep their order
// and their bounds. Run as a process: it is told `{ port, delay }` and says which port it listens on; later `{ delay }`.
import type { Buffer } from "node:buffer";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { answerParent } from "./child.ts";

/** Milliseconds of a whole round trip. */
let delay = 0;

function listen(port: number): Promise<number> {
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (client) => {
    const database = connect({ host: "127.0.0.1", port, noDelay: true });
    pass(client, database);
    pass(database, client);
    client.resume();
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)));
}

/** Passes on what comes from `from`, half the delay after it came. */
function pass(from: Socket, to: Socket): void {
  const waiting: { due: number; bytes: Buffer }[] = [];
  let timed = false;
  const next = () => {
    timed = false;
    while (waiting.length > 0 && waiting[0].due <= performance.now()) to.write(waiting.shift()!.bytes);
    if (waiting.length > 0) wait(waiting[0].due - performance.now());
  };
  const wait = (ms: number) => {
    if (timed) return;
    timed = true;
    // Timers count whole milliseconds: what is left of one is waited for turn by turn.
    if (ms >= 1) setTimeout(next, Math.floor(ms));
    else setImmediate(next);
  };
  from.on("data", (bytes: Buffer) => {
    const due = performance.now() + delay / 2;
    waiting.push({ due, bytes });
    wait(delay / 2);
  });
  from.on("error", () => to.destroy());
  from.on("close", () => to.destroy());
}

await answerParent(async (told: { port: number; delay: number }, first) => {
  delay = told.delay;
  return first ? { port: await listen(told.port) } : {};
});

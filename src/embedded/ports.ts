// Finds a TCP port on the loopback address for a local server.

const tries = 200;

/** The first of `wanted` (in order, undefined ones skipped) that is free on 127.0.0.1, else the next free one above the last. */
export function freePort(...wanted: (number | undefined)[]): number {
  const ports = wanted.filter((port) => port !== undefined);
  const last = ports.at(-1) ?? 0;
  for (let step = 1; step <= tries; step++) ports.push(last + step);
  const found = ports.find(isFree);
  if (found === undefined) throw new Error(`Free a port between ${last} and ${last + tries}: all are taken`);
  return found;
}

/** Whether nobody listens on 127.0.0.1:`port` just now. */
export function isFree(port: number): boolean {
  if (port < 1 || port > 65535) return false;
  try {
    Deno.listen({ hostname: "127.0.0.1", port }).close();
    return true;
  } catch {
    return false;
  }
}

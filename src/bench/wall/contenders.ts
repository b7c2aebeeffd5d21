// Starts all contenders on one ground, each in a process of its own, straight and through the delay, with their connections.
import { type Child, startChild } from "./child.ts";
import { ask, type Asked, requestBytes } from "./client.ts";
import type { ContenderConfig } from "./contender.ts";
import { type Ground, LOGINS } from "./ground.ts";
import { startPostGraphile } from "./postgraphile.ts";

/** `anew` is ours with callers who never come again: each context is signed and verified for itself. */
export type Name = "ours" | "anew" | "plain" | "naive" | "postgraphile";

/** All that run. */
export interface Contenders {
  /** Ports of each: straight, and through the delay. */
  asked: Partial<Record<Name, { straight: Asked; delayed: Asked }>>;
  /** Sets the delay of a round trip, in milliseconds. */
  delay(ms: number): Promise<void>;
  /** Why PostGraphile is not among them; null if it is. */
  missing: string | null;
  stop(): Promise<void>;
}

const CONNECTIONS = 10;
const FIRST = { lanes: 16, ms: 500 };
const PATHS = { ours: "/v1/renters", anew: "/v1/renters", plain: "/v1/bench/plain", naive: "/v1/bench/naive" };

/** Starts them; what was started is stopped when one fails. */
export async function startContenders(ground: Ground): Promise<Contenders> {
  const { port } = ground.servers.settings;
  const proxy = await startChild<{ port: number }>({ module: "./delay_proxy.ts", config: { port, delay: 0 } });
  const children: Child<unknown>[] = [proxy];
  const ports = [port, proxy.answer.port];
  const asked: Contenders["asked"] = {};
  let missing: string | null = null;
  for (const kind of ["ours", "plain", "naive", "anew"] as const) {
    const config = contenderConfig(ground, kind, ports);
    const child = await startChild<{ ports: number[] }>({ module: "./contender.ts", config });
    children.push(child);
    const requests = ground.tokens.map((token) =>
      requestBytes({ method: "GET", path: `${PATHS[kind]}?limit=20`, headers: { authorization: `Bearer ${token}` } })
    );
    const [straight, delayed] = child.answer.ports.map((port) => ({ port, requests, lengths: new Map() }));
    asked[kind] = { straight, delayed };
  }
  try {
    const { child, asked: [straight, delayed] } = await startPostGraphile(ground, ports, CONNECTIONS);
    children.push(child);
    asked.postgraphile = { straight, delayed };
  } catch (error) {
    missing = error instanceof Error ? error.message : String(error);
  }
  for (const { straight, delayed } of Object.values(asked)) {
    await ask(straight, FIRST);
    await ask(delayed, FIRST);
  }
  const delay = async (ms: number) => void await proxy.ask({ port, delay: ms });
  const stop = async () => void await Promise.all(children.reverse().map((child) => child.stop()));
  return { asked, delay, missing, stop };
}

function contenderConfig({ servers, password }: Ground, kind: ContenderConfig["kind"], ports: number[]) {
  const user = kind === "plain" ? LOGINS.plain : LOGINS.naive;
  return {
    kind,
    settings: servers.settings,
    masterKey: [...servers.masterKey],
    ports,
    connections: CONNECTIONS,
    login: { user, password },
  } satisfies ContenderConfig;
}

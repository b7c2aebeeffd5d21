// A local PostgreSQL cluster of our own: created at the first start, started, supervised and stopped by this process.
// It listens on loopback only, and everything a killed run leaves behind is put right at the next start.

import { join } from "node:path";
import { isFolder, keepPort, keptPort, lockCluster, logFile, stopServersIn } from "./cluster_folder.ts";
import { type Binaries, findBinaries } from "./binaries.ts";
import type { Lock } from "./lock.ts";
import { type OsUser, serverUser } from "./os_user.ts";
import { outsideFolder, passable, reachableFolder } from "./outside.ts";
import { freePort } from "./ports.ts";
import { destroy, halt, heal, launch, type Postmaster, signalTo } from "./postmaster.ts";
import { initialise, superuserName, writeSettings } from "./settings.ts";

/** What startCluster() takes. */
export interface ClusterOptions {
  /** The folder that holds the clusters of this project; made if it is not there. */
  dir: string;
  /** The cluster's own folder in `dir`. */
  name: string;
  /** The port to prefer at the first start (default 54329); the one that was found is preferred from then on. */
  port?: number;
  /** Set at the first start; the same must be given later. */
  superuserPassword: string;
  /** The folder of another PostgreSQL's programs, 15 or later. Default: the one that npm brought. */
  programs?: string;
  /** For tests: no fsync, so a crash of the machine loses the data. */
  fast?: boolean;
  /** Hears what was healed or restarted, one sentence each. */
  log?: (sentence: string) => void;
}

/** A running cluster. */
export interface Cluster {
  readonly host: "127.0.0.1";
  readonly port: number;
  /** The process id of the server, 0 while it is down. */
  readonly pid: number;
  /** How to connect as superuser. */
  readonly superuser: { host: string; port: number; database: string; user: string; password: string };
  /** Stops the server in order and lets the folder go; a second call does nothing. */
  stop(): Promise<void>;
  /** Stops the server in order, if it runs, and starts it again on the same port. */
  restart(): Promise<void>;
  /** Ends the server at once, as a crash would (SIGKILL), and leaves it down until restart(). */
  kill(): Promise<void>;
}

const defaultPort = 54329;
const attempts = 20;
const attemptPauseMs = 250;
const revivalsPerMinute = 5;

/**
 * Starts the cluster `name` in `dir`, creating it first if need be, and resolves when it accepts connections.
 * A server that ends by itself is started again (at most 5 times a minute).
 * Throws when another live process uses the cluster, or with PostgreSQL's own words when it does not start.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const cluster = new LocalCluster(options);
  await cluster.open();
  return cluster;
}

class LocalCluster implements Cluster {
  readonly host = "127.0.0.1";
  port = 0;
  #options: ClusterOptions;
  #folder = "";
  #data = "";
  #user: OsUser | undefined;
  #binaries!: Binaries;
  #lock: Lock | undefined;
  #server: Postmaster | undefined;
  #wanted = false;
  #reviving: Promise<void> | undefined;
  #revivals: number[] = [];
  // A process that ends without stop() must not leave the server running.
  #onUnload = () => this.#server && signalTo(this.#server.pid, "SIGINT");

  constructor(options: ClusterOptions) {
    this.#options = options;
  }

  get pid(): number {
    return this.#server?.pid ?? 0;
  }

  get superuser(): Cluster["superuser"] {
    const { host, port } = this;
    return { host, port, database: "postgres", user: superuserName, password: this.#options.superuserPassword };
  }

  async open(): Promise<void> {
    const { superuserPassword: password, fast = false } = this.#options;
    await this.#locate();
    this.#lock = await lockCluster(this.#folder);
    try {
      this.#binaries = await findBinaries(this.#user, this.#options.programs);
      if (!await isFolder(this.#data)) {
        await initialise(this.#binaries, this.#data, { user: this.#user, password, fast });
      }
      await this.#start();
    } catch (error) {
      this.#lock.release();
      throw error;
    }
    globalThis.addEventListener("unload", this.#onUnload);
  }

  async stop(): Promise<void> {
    globalThis.removeEventListener("unload", this.#onUnload);
    await this.#halt();
    this.#lock?.release();
  }

  async restart(): Promise<void> {
    await this.#halt();
    await this.#start();
  }

  async kill(): Promise<void> {
    this.#wanted = false;
    await this.#reviving;
    if (this.#server === undefined) return;
    await destroy(this.#server.pid, this.#data);
    this.#server = undefined;
  }

  async #locate(): Promise<void> {
    const { dir, name } = this.#options;
    const owner = await Deno.stat(join(await outsideFolder(dir) ?? dir, name, "data")).catch(() => undefined);
    this.#user = await serverUser(owner && { uid: owner.uid ?? 0, gid: owner.gid ?? 0 });
    const base = await reachableFolder(dir, this.#user, stopServersIn);
    this.#folder = join(base, name);
    this.#data = join(this.#folder, "data");
    await Deno.mkdir(this.#folder, { recursive: true, mode: 0o700 });
    if (this.#user) await Deno.chmod(this.#folder, passable);
  }

  async #start(): Promise<void> {
    const again = this.port !== 0;
    for (let attempt = 1;; attempt++) {
      const healed = await heal(this.#data);
      if (healed) this.#say(healed);
      // Clients know the port of a server that is started again; the first start may take another one.
      if (!again) this.port = freePort(await keptPort(this.#folder), this.#options.port ?? defaultPort);
      try {
        this.#server = await this.#launch();
        break;
      } catch (error) {
        if (attempt >= attempts || !mayPass(error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, attemptPauseMs));
      }
    }
    this.#wanted = true;
    const server = this.#server;
    server.exited.then(() => this.#reviving = this.#revive(server));
  }

  async #launch(): Promise<Postmaster> {
    await writeSettings(this.#folder, this.port, this.#options.fast ?? false);
    const log = await logFile(this.#folder);
    const server = await launch(this.#binaries.postgres, this.#data, { log, user: this.#user });
    await keepPort(this.#folder, this.port);
    return server;
  }

  async #revive(server: Postmaster): Promise<void> {
    if (!this.#wanted || this.#server !== server) return;
    this.#server = undefined;
    this.#revivals = this.#revivals.filter((time) => time > Date.now() - 60_000);
    if (this.#revivals.push(Date.now()) > revivalsPerMinute) {
      return this.#say(`PostgreSQL "${this.#options.name}" keeps ending by itself and stays down; see ${this.#folder}`);
    }
    this.#say(`PostgreSQL "${this.#options.name}" ended by itself; starting it again`);
    await this.#start().catch((error) => this.#say(String(error)));
  }

  async #halt(): Promise<void> {
    this.#wanted = false;
    await this.#reviving;
    this.#wanted = false;
    if (this.#server === undefined) return;
    await halt(this.#server.pid, this.#data);
    this.#server = undefined;
  }

  #say(sentence: string): void {
    this.#options.log?.(sentence);
  }
}

// A taken port may be free again; the processes of a killed server need a moment to notice and go.
function mayPass(error: unknown): boolean {
  return /Address already in use|could not bind|still in use|lock file .* already exists/.test(String(error));
}

// Targets on our own database server. Passwords of logins derive from the master key, so none is stored or configured.
import type { PlacementKey } from "../db/rollout.ts";
import { OWN_ROLES } from "../db/names.ts";
import type { Target } from "../db/pool.ts";
import { deriveBytes, deriveLoginPassword, placementKey } from "../identity/keys.ts";
import { keyBlocks, type Signer } from "./context.ts";

/** Where our server is and what it holds. */
export interface ServerSettings {
  host: string;
  port: number;
  tls?: Target["tls"];
  /** A transaction pooler in front of it, for the run-time logins; with TLS if the server has it. */
  pooler?: { host: string; port: number };
  /** Where the administrator connects first; the platform's database may not exist yet. */
  maintenanceDatabase: string;
  platformDatabase: string;
  sharedDatabase: string;
  /** Administrator of the server; only where roles are made (`db deploy`), null on an edge. */
  admin: { user: string; password: string } | null;
}

/** Derived keys that are kept: deriving one costs more than signing with it. */
const MAX_SIGNERS = 4_096;

/** The server's targets and what derives from the master key. */
export class Servers {
  /** Keys the hashes by which repeated requests are known. */
  readonly hashKey: Uint8Array;
  /** Keys what the platform knows of accounts: digests of addresses, proofs of sessions, recovery codes. */
  readonly accountKey: Uint8Array;
  /** Proves refresh tokens, and makes the one that comes after one. */
  readonly sessionKey: Uint8Array;
  readonly #signers = new Map<string, Signer>();

  constructor(readonly settings: ServerSettings, readonly masterKey: Uint8Array) {
    this.hashKey = deriveBytes(masterKey, "idempotency");
    this.accountKey = deriveBytes(masterKey, "accounts");
    this.sessionKey = deriveBytes(masterKey, "sessions");
  }

  /** A run-time login on a database of our server, through the pooler where there is one. */
  target(database: string, user: string): Target {
    const { pooler } = this.settings;
    return { ...this.#straight(database, user), ...(pooler && { ...pooler, pooler: "transaction" }) };
  }

  platform(): Target {
    return this.target(this.settings.platformDatabase, OWN_ROLES.platformLogin);
  }

  /** The platform's login past any pooler: notifications need a session. */
  listener(): Target {
    const target = this.#straight(this.settings.platformDatabase, OWN_ROLES.platformLogin);
    return { ...target, applicationName: "bulkhead listener" };
  }

  queue(): Target {
    return this.#straight(this.settings.platformDatabase, OWN_ROLES.queueLogin);
  }

  migrator(database: string): Target {
    return this.#straight(database, OWN_ROLES.migrator);
  }

  /** The administrator on a database. Throws where none is configured. */
  admin(database: string): Target {
    const { host, port, tls, admin } = this.settings;
    if (!admin) throw new Error('Set "DATABASE_URL" to an administrator of the server to do this');
    return { host, port, tls, database, ...admin, applicationName: "bulkhead admin" };
  }

  password(login: string): string {
    return deriveLoginPassword(this.masterKey, login);
  }

  /** Password and verifier salt of a login, for the rollout. */
  secret(login: string): { password: string; salt: Uint8Array } {
    return { password: this.password(login), salt: deriveBytes(this.masterKey, `scram-salt:${login}`, 16) };
  }

  /** What signs the contexts of a placement. */
  signer(placementId: string, keyId: number): Signer {
    const name = `${placementId}:${keyId}`;
    const known = this.#signers.get(name);
    if (known) return known;
    const signer = { keyId, key: placementKey(this.masterKey, placementId, keyId) };
    if (this.#signers.size >= MAX_SIGNERS) this.#signers.delete(this.#signers.keys().next().value!);
    this.#signers.set(name, signer);
    return signer;
  }

  /** The same key as the placement keeps it. */
  placementKey(placementId: string, keyId: number): PlacementKey {
    return keyBlocks(this.signer(placementId, keyId));
  }

  /** A login with a session of its own: rollouts change schemas, the queue listens. */
  #straight(database: string, user: string): Target {
    const { host, port, tls } = this.settings;
    return { host, port, tls, database, user, password: this.password(user), applicationName: "bulkhead" };
  }
}

// The public keys of one external issuer: fetched at the first use, kept for a while, fetched again for a key id that is
// not known (rotation), and used a bounded time longer when the issuer cannot be reached.
// What must not happen here: a token's sender deciding where keys come from, or how often they are fetched.

import { createLocalJWKSet, type CryptoKey, errors, type JSONWebKeySet, type JWTHeaderParameters } from "jose";
import { type DocumentRules, readDocument } from "./issuer_documents.ts";

/** Where an issuer's keys are: at `jwksUri`, or where its discovery document says. */
export interface KeySource {
  issuer: string;
  jwksUri?: string;
}

/** How long keys are kept, in milliseconds. */
export interface KeyTimes {
  /** After this they are fetched again. */
  freshMs: number;
  /** Until this they serve while fetching fails: a key that the issuer withdrew lives so long at most. */
  staleMs: number;
  /** The least time between two fetches for unknown key ids. */
  cooldownMs: number;
  /** The least time between two fetches while they fail. */
  retryMs: number;
}

/** Sound times: ten minutes fresh, one hour in all, 30 seconds between fetches for unknown ids, 5 between failures. */
export const KEY_TIMES: KeyTimes = { freshMs: 600_000, staleMs: 3_600_000, cooldownMs: 30_000, retryMs: 5_000 };

/** The issuer's keys cannot be had just now, and none are kept that may still be used. */
export class KeysUnavailable extends Error {
  override name = "KeysUnavailable";
}

/** What {@link IssuerKeys} needs. */
export interface KeyRules extends DocumentRules {
  times: KeyTimes;
  /** Milliseconds since 1970. */
  now: () => number;
}

interface Loaded {
  find: (header: JWTHeaderParameters) => Promise<CryptoKey>;
  at: number;
}

/** The keys of one issuer. */
export class IssuerKeys {
  readonly #source: KeySource;
  readonly #rules: KeyRules;
  #loaded?: Loaded;
  #loading?: Promise<Loaded>;
  #failure?: { at: number; cause: unknown };

  constructor(source: KeySource, rules: KeyRules) {
    this.#source = source;
    this.#rules = rules;
  }

  /**
   * The one key with the header's `kid` that fits its `alg`; nothing else of the header is read.
   * @throws Error when there is none, or when the keys cannot be had.
   */
  async find({ alg, kid }: JWTHeaderParameters): Promise<CryptoKey> {
    const keys = await this.#current();
    try {
      return await keys.find({ alg, kid });
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey) || !this.#mayLookAgain()) throw error;
      return await (await this.#load()).find({ alg, kid });
    }
  }

  async #current(): Promise<Loaded> {
    const { now, times } = this.#rules;
    const loaded = this.#loaded;
    if (loaded && now() - loaded.at < times.freshMs) return loaded;
    const usable = loaded && now() - loaded.at < times.staleMs ? loaded : undefined;
    if (this.#failure && now() - this.#failure.at < times.retryMs) {
      if (usable) return usable;
      throw new KeysUnavailable(`The keys of "${this.#source.issuer}" cannot be had`, { cause: this.#failure.cause });
    }
    try {
      return await this.#load();
    } catch (error) {
      if (usable) return usable;
      throw new KeysUnavailable((error as Error).message, { cause: error });
    }
  }

  #mayLookAgain(): boolean {
    const { now, times } = this.#rules;
    const last = Math.max(this.#loaded?.at ?? 0, this.#failure?.at ?? 0);
    return now() - last >= times.cooldownMs;
  }

  /** One fetch at a time, whoever waits for it. */
  #load(): Promise<Loaded> {
    return this.#loading ??= this.#fetch().finally(() => this.#loading = undefined);
  }

  async #fetch(): Promise<Loaded> {
    const { issuer, jwksUri } = this.#source;
    try {
      const set = await readDocument(jwksUri ?? await discover(issuer, this.#rules), this.#rules);
      const find = createLocalJWKSet(set as unknown as JSONWebKeySet);
      this.#failure = undefined;
      return this.#loaded = { find, at: this.#rules.now() };
    } catch (cause) {
      this.#failure = { at: this.#rules.now(), cause };
      throw cause;
    }
  }
}

/** Where the keys are, from OpenID Connect Discovery 1.0 (4). The document must be about this very issuer (4.3). */
async function discover(issuer: string, rules: DocumentRules): Promise<string> {
  const document = await readDocument(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`, rules);
  if (document.issuer !== issuer) throw new Error(`The discovery document of "${issuer}" names another issuer`);
  if (typeof document.jwks_uri !== "string") throw new Error(`The discovery document of "${issuer}" names no keys`);
  return document.jwks_uri;
}

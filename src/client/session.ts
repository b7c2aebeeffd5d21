// A session in the hands of a client: an access token in memory, a refresh token in the program's store. A refresh token works
// once, and one that comes again half a minute later ends the session as stolen. So: one refresh at a time over all who share
// the store, by the token that the store has then, and the next one is stored before anything is done with it.
import type { SignedInAnswer, SignInStep } from "./answers.ts";
import { defaultLock, type Lock } from "./lock.ts";
import { ProblemError, SessionEndedError } from "./problems.ts";

/** Where a program keeps its refresh token: a secret, good for 30 days of doing what its member may do. */
export interface TokenStore {
  /** The refresh token, or null where nobody is signed in. */
  load(): string | null | Promise<string | null>;
  /** Keeps the next one, for good, before it resolves; null: forgets it. */
  save(token: string | null): void | Promise<void>;
}

/** How a session is kept. */
export interface SessionOptions {
  /** Default: in memory. */
  store?: TokenStore;
  /** Give one where several processes share the store. Default: Web Locks where there are, else this process alone. */
  lock?: Lock;
}

/** What a session needs of its client. */
interface Around {
  /** Calls a route of signing in. @throws ProblemError. */
  post(path: string, body: unknown): Promise<unknown>;
  /** Milliseconds, as Date.now() gives them. */
  now(): number;
  /** Names the lock. */
  name: string;
}

/** A token for requests, and until when it is fresh and good, in milliseconds. */
interface Access {
  token: string;
  freshUntil: number;
  goodUntil: number;
}

type Tokens = Extract<SignedInAnswer, { state: "signed_in" }>;

/** An access token is not used in its last seconds: it could expire on the way. */
const EARLY_SECONDS = 30;
/** Refusals of a refresh after which the session is over; whatever else goes wrong may go right later. */
const OVER = new Set(["invalid_token", "unauthorized"]);

/** A store that is gone with the process. */
export function memoryStore(token: string | null = null): TokenStore {
  return {
    load: () => token,
    save: (next) => void (token = next),
  };
}

/** One session, or none yet. */
export class Session {
  readonly #around: Around;
  readonly #store: TokenStore;
  readonly #lock: Lock;
  #access: Access | null = null;
  /** Tokens that the store would not take: the refresh token before them is used up. */
  #unsaved: Tokens | null = null;
  #renewing: Promise<string | null> | null = null;
  #ended: SessionEndedError | null = null;

  constructor({ store = memoryStore(), lock = defaultLock }: SessionOptions, around: Around) {
    this.#store = store;
    this.#lock = lock;
    this.#around = around;
  }

  /**
   * A token that is good for a while; null where nobody is signed in.
   * @throws SessionEndedError; ProblemError where it could not be refreshed just now; what the store throws.
   */
  async token(): Promise<string | null> {
    const access = this.#access;
    const now = this.#around.now();
    if (access && now < access.freshUntil) return access.token;
    try {
      return await this.#renewOnce(access);
    } catch (error) {
      if (access && error instanceof ProblemError && now < access.goodUntil) return access.token;
      throw error;
    }
  }

  /** Another token than the one that the API refused. @throws as {@link token}; SessionEndedError where there is no other. */
  async renewed(refused: string): Promise<string> {
    const access = this.#access;
    if (access && access.token !== refused) return access.token;
    const token = await this.#renewOnce(access);
    if (token === null) throw this.#ended ?? new SessionEndedError("signed_out");
    return token;
  }

  /** Goes on as an answer of a way in says. @throws ProblemError; TypeError where the tokens are in cookies. */
  async adopt(answer: SignedInAnswer): Promise<SignInStep> {
    if (answer.state === "signed_in") {
      await this.#locked(() => this.#keep(answer));
      return { state: "signed_in" };
    }
    if (answer.state === "second_factor") {
      const { mfa_token, factors, passkey_options: passkeyOptions, expires_in: expiresIn } = answer;
      const finish = async (given: object) => {
        const next = await this.#around.post("/v1/auth/mfa", { mfa_token, ...given });
        return await this.adopt(next as SignedInAnswer);
      };
      return { state: "second_factor", factors, passkeyOptions, expiresIn, finish };
    }
    if (answer.state === "cookie" || answer.access_token === null) {
      throw new TypeError('Ask for "session": "body": tokens in cookies are the browser\'s, not a client\'s');
    }
    const { duty, access_token: token, expires_in } = answer;
    await this.#locked(async () => {
      await this.#replace(null);
      this.#access = this.#accessOf(token, expires_in);
    });
    return { state: "limited", duty };
  }

  /** Forgets the tokens, here and in the store. */
  async forget(): Promise<void> {
    await this.#locked(() => this.#replace(null));
  }

  #locked<T>(work: () => Promise<T>): Promise<T> {
    return this.#lock(this.#around.name, work);
  }

  /** However many ask, one refresh runs. */
  #renewOnce(stale: Access | null): Promise<string | null> {
    return this.#renewing ??= this.#locked(() => this.#renew(stale)).finally(() => this.#renewing = null);
  }

  async #renew(stale: Access | null): Promise<string | null> {
    if (this.#access !== stale) return this.#access?.token ?? null;
    if (this.#unsaved) return await this.#keep(this.#unsaved);
    const refresh_token = await this.#store.load();
    if (!refresh_token) {
      this.#access = null;
      if (stale) throw this.#ended = new SessionEndedError("signed_out");
      return null;
    }
    try {
      return await this.#keep(await this.#around.post("/v1/auth/refresh", { refresh_token }) as Tokens);
    } catch (error) {
      if (!(error instanceof ProblemError) || !OVER.has(error.code)) throw error;
      await this.#replace(null);
      throw this.#ended = new SessionEndedError(error.code, { cause: error });
    }
  }

  async #keep(tokens: Tokens): Promise<string> {
    this.#unsaved = tokens;
    await this.#replace(tokens.refresh_token);
    this.#access = this.#accessOf(tokens.access_token, tokens.expires_in);
    return tokens.access_token;
  }

  /** Stores before anything else changes. */
  async #replace(refreshToken: string | null): Promise<void> {
    await this.#store.save(refreshToken);
    this.#unsaved = this.#access = this.#ended = null;
  }

  #accessOf(token: string, seconds: number): Access {
    const goodUntil = this.#around.now() + seconds * 1_000;
    return { token, goodUntil, freshUntil: goodUntil - Math.min(EARLY_SECONDS, seconds / 10) * 1_000 };
  }
}

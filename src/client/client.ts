// Puts a client together: a fetch that knows the API's URL, tenant and token, waits where the API says so, and behaves like
// the platform's fetch in everything else. It does not throw for an answer, whatever its status.
import type { SignedInAnswer, SignInStep } from "./answers.ts";
import { type Outgoing, prepare, refuseRedirect, type Target, targetAt } from "./outgoing.ts";
import { expectOk, problemOf, SessionEndedError } from "./problems.ts";
import { isRepeatable, type RetryOptions, withRetries } from "./retries.ts";
import { Session, type SessionOptions } from "./session.ts";

/** A key of a tenant or of an operator, as `api_keys.create` showed it. */
export interface ApiKey {
  apiKey: string;
}

/** What a client is made from. */
export interface ClientOptions<Auth = ApiKey | SessionOptions> {
  /** Where the API is; a tenant's host or `https://…/t/{slug}` names the tenant as well. */
  url: string;
  /** Slug or id of the tenant, sent as `X-Tenant`. For API keys it may be left out: they name theirs. */
  tenant?: string;
  /** `{ apiKey }`, or how a session is kept: `{}` is one in memory. */
  auth: Auth;
  /** Default: the platform's. */
  fetch?: typeof globalThis.fetch;
  /** For 429 and 503 with `Retry-After`, to GET, HEAD, PUT, DELETE and to POST with an `Idempotency-Key`. */
  retry?: RetryOptions;
  /**
   * Whether a POST without an `Idempotency-Key` gets one, the same for all its tries. Say it for routes whose entry in the
   * API document has that header: others ignore it, and what is tried again may then be done twice. Default: none.
   */
  idempotencyKeys?: boolean | ((request: { method: string; url: string }) => boolean);
  /** The clock by which access tokens grow old, in milliseconds; default: Date.now. */
  now?(): number;
}

/** A client with an API key. */
export interface Client {
  /**
   * The platform's fetch, with token and tenant; a path that begins with a slash is one of the API. Any answer of the API
   * is given, not thrown.
   * @throws TargetRefusedError for another origin and for redirects; SessionEndedError; ProblemError where the access
   * token has expired and cannot be refreshed just now; what fetch throws.
   */
  fetch: typeof globalThis.fetch;
}

/** The password that is, and the one that shall be. */
export interface NewPassword {
  current: string;
  next: string;
}

/** A client with a session. */
export interface SessionClient extends Client {
  /** Signs in. @throws ProblemError `invalid_credentials`, `too_many_attempts` (see its `retryAfter`) … */
  signIn(credentials: { email: string; password: string }): Promise<SignInStep>;
  /** Goes on from the answer of another way in: passkey, single sign-on, `auth.confirmTotp`'s `signed_in`, `auth.switch`. */
  adopt(answer: SignedInAnswer): Promise<SignInStep>;
  /** Changes the password; all sessions end, and a new one begins here. @throws ProblemError. */
  changePassword(password: NewPassword): Promise<SignInStep>;
  /** Whether there is a session: a stored one is refreshed to find out. @throws ProblemError; what fetch throws. */
  isSignedIn(): Promise<boolean>;
  /** Ends the session. The tokens are forgotten in any case. @throws ProblemError where the API could not be told. */
  signOut(): Promise<void>;
}

/** Where a request's token comes from. */
interface Tokens {
  token(): Promise<string | null>;
  renewed(refused: string): Promise<string | null>;
}

/** Refusals of a token that another one may get past. */
const RENEWABLE = new Set(["unauthorized", "token_expired", "access_changed"]);
/** How long one call of signing in or refreshing may take, in milliseconds: others wait for it. */
const PATIENCE_MS = 30_000;

/** A client of the API. Throws TypeError for a `url` that is none. */
export function createClient(options: ClientOptions<ApiKey>): Client;
export function createClient(options: ClientOptions<SessionOptions>): SessionClient;
export function createClient(options: ClientOptions): Client | SessionClient {
  const sender = new Sender(options);
  const { auth } = options;
  if ("apiKey" in auth) {
    const key = { token: () => Promise.resolve(auth.apiKey), renewed: () => Promise.resolve(null) };
    return { fetch: (input: RequestInfo | URL, init?: RequestInit) => sender.fetch(key, input, init) };
  }
  const name = `bulkhead ${sender.target.base} ${options.tenant ?? ""}`;
  const session = new Session(auth, { post: sender.post, now: options.now ?? Date.now, name });
  return sessionClient(sender, session);
}

function sessionClient(sender: Sender, session: Session): SessionClient {
  const client: SessionClient = {
    fetch: (input: RequestInfo | URL, init?: RequestInit) => sender.fetch(session, input, init),
    adopt: (answer) => session.adopt(answer),
    async isSignedIn() {
      return await session.token().catch((error) => {
        if (error instanceof SessionEndedError) return null;
        throw error;
      }) !== null;
    },
    async signIn({ email, password }) {
      return await session.adopt(await sender.post("/v1/auth/login", { email, password }) as SignedInAnswer);
    },
    async changePassword({ current, next }) {
      const body = JSON.stringify({ current_password: current, new_password: next });
      const headers = { "content-type": "application/json" };
      const answer = await client.fetch("/v1/auth/change-password", { method: "POST", headers, body });
      return await session.adopt(await (await expectOk(answer)).json());
    },
    async signOut() {
      try {
        if (await session.token() === null) return;
        const answer = await client.fetch("/v1/auth/logout", { method: "POST" });
        await (answer.status === 401 ? answer : await expectOk(answer)).body?.cancel();
      } catch (error) {
        if (!(error instanceof SessionEndedError)) throw error;
      } finally {
        await session.forget();
      }
    },
  };
  return client;
}

/** Sends requests to one API. */
class Sender {
  readonly target: Target;
  readonly #options: ClientOptions;

  constructor(options: ClientOptions) {
    this.target = targetAt(options.url);
    this.#options = options;
  }

  /** As `Client.fetch`, with the token of `tokens`; who sends a token of his own gets no other. */
  async fetch(tokens: Tokens, input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const outgoing = await prepare(this.target, input, init);
    const { headers, method, signal, again } = outgoing;
    this.#address(outgoing);
    const own = headers.has("authorization") || headers.has("x-api-key");
    const send = () => own ? this.#once(outgoing, null) : this.#authorized(outgoing, tokens);
    if (!again || !isRepeatable(method, headers)) return await send();
    return await withRetries(send, this.#options.retry ?? {}, signal);
  }

  /** Calls a route of signing in, without a token; a refresh waits for a busy API, what may count as a guess does not. */
  post = async (path: string, body: unknown): Promise<unknown> => {
    const headers = { "content-type": "application/json" };
    const text = JSON.stringify(body);
    const send = async () => {
      const signal = AbortSignal.timeout(PATIENCE_MS);
      const outgoing = await prepare(this.target, path, { method: "POST", headers, body: text, signal });
      this.#address(outgoing, false);
      return await this.#once(outgoing, null);
    };
    const answer = path === "/v1/auth/refresh" ? await withRetries(send, this.#options.retry ?? {}) : await send();
    return await (await expectOk(answer)).json();
  };

  /** Names the tenant, and gives a POST its idempotency key. */
  #address({ headers, method, url }: Outgoing, keyed = true): void {
    const { tenant, idempotencyKeys: keys = false } = this.#options;
    if (tenant !== undefined && !headers.has("x-tenant")) headers.set("x-tenant", tenant);
    if (!keyed || method !== "POST" || headers.has("idempotency-key")) return;
    if (typeof keys === "function" ? keys({ method, url }) : keys) {
      headers.set("idempotency-key", randomKey());
    }
  }

  /** With a token; once more with another one where the API refuses the first. */
  async #authorized(outgoing: Outgoing, tokens: Tokens): Promise<Response> {
    const token = await tokens.token();
    const response = await this.#once(outgoing, token);
    if (response.status !== 401 || token === null) return response;
    const { code } = await problemOf(response.clone());
    if (!RENEWABLE.has(code)) return response;
    const next = await tokens.renewed(token);
    if (next === null || !outgoing.again) return response;
    await response.body?.cancel();
    return await this.#once(outgoing, next);
  }

  async #once(outgoing: Outgoing, token: string | null): Promise<Response> {
    const fetch = this.#options.fetch ?? globalThis.fetch;
    const response = await fetch(outgoing.build(token === null ? null : `Bearer ${token}`));
    return outgoing.seesRedirects ? response : await refuseRedirect(response, this.target);
  }
}

/** 128 random bits. `crypto.randomUUID` is missing in pages that came over plain http. */
function randomKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Trying again what the API was too busy for: only what it says when to try again, and only what does no harm twice.

/** How often and how long a request is tried again. */
export interface RetryOptions {
  /** How many times after the first; default 3. 0: never. */
  times?: number;
  /** Seconds from the first try within which the last one must begin; default 30. */
  seconds?: number;
}

/** What may be tried again without asking what the first try did. */
const REPEATABLE = new Set(["GET", "HEAD", "PUT", "DELETE"]);
const BUSY = new Set([429, 503]);

/** Whether a request does no harm when it comes twice. */
export function isRepeatable(method: string, headers: Headers): boolean {
  return REPEATABLE.has(method) || (method === "POST" && headers.has("idempotency-key"));
}

/**
 * Sends until the answer is another than 429 or 503, says no `Retry-After`, or says one that is too late; gives the last
 * answer. Rejects with the signal's reason when it is aborted while waiting.
 */
export async function withRetries(
  send: () => Promise<Response>,
  { times = 3, seconds = 30 }: RetryOptions,
  signal?: AbortSignal,
): Promise<Response> {
  const end = performance.now() + seconds * 1_000;
  for (let left = times;; left--) {
    const response = await send();
    const wait = BUSY.has(response.status) ? waitOf(response) : null;
    if (left <= 0 || wait === null || performance.now() + wait > end) return response;
    await response.body?.cancel();
    await sleep(wait, signal);
  }
}

/** Milliseconds that `Retry-After` asks for, which is in seconds or a date (RFC 9110, 10.2.3); null: it is not there. */
function waitOf(response: Response): number | null {
  const text = response.headers.get("retry-after");
  if (text === null) return null;
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? null : Math.max(0, ms);
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

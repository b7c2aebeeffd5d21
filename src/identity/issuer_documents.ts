// Small JSON documents that issuers publish (discovery, key sets), read through a fetch that was handed in: bounded in
// time and bytes, no redirects, https only. What must not happen here: a fetch of our own, or trust in what was read.

/** The part of the platform's `fetch` that is needed; the app hands in one that checks addresses. */
export type Fetch = (input: string, init: RequestInit) => Promise<Response>;

/** How documents are read. */
export interface DocumentRules {
  fetch: Fetch;
  /** Whether `http:` may be used for 127.0.0.1, [::1] and localhost: for development and tests. */
  allowLoopback: boolean;
  timeoutMs: number;
  maxBytes: number;
}

const LOOPBACK = new Set(["127.0.0.1", "[::1]", "localhost"]);

/** Whether a URL may be read: https, without user name or fragment. */
export function isDocumentUrl(text: string, allowLoopback: boolean): boolean {
  const url = URL.parse(text);
  if (!url || url.username || url.password || url.hash) return false;
  return url.protocol === "https:" || (allowLoopback && url.protocol === "http:" && LOOPBACK.has(url.hostname));
}

/** The JSON object at `url`. @throws Error in every other case. */
export async function readDocument(url: string, rules: DocumentRules): Promise<Record<string, unknown>> {
  if (!isDocumentUrl(url, rules.allowLoopback)) throw new Error(`"${url}" is not an https address`);
  const signal = AbortSignal.timeout(rules.timeoutMs);
  const { promise: late, reject } = Promise.withResolvers<never>();
  const giveUp = () => reject(new Error(`"${url}" did not answer within ${rules.timeoutMs} ms`));
  signal.addEventListener("abort", giveUp);
  try {
    return await Promise.race([read(url, signal, rules), late]);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}

async function read(url: string, signal: AbortSignal, rules: DocumentRules): Promise<Record<string, unknown>> {
  const headers = { accept: "application/json, application/jwk-set+json" };
  const response = await rules.fetch(url, { headers, redirect: "error", signal });
  if (response.status !== 200 || response.redirected) {
    await response.body?.cancel();
    throw new Error(`"${url}" answered ${response.status}`);
  }
  const document: unknown = JSON.parse(await boundedText(response, rules.maxBytes));
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new Error(`"${url}" does not hold a JSON object`);
  }
  return document as Record<string, unknown>;
}

async function boundedText(response: Response, maxBytes: number): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let [text, length] = ["", 0];
  // Leaving the loop by an error cancels the body.
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > maxBytes) throw new Error(`The document has more than ${maxBytes} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

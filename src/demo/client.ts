// The demo's HTTP client: it uses the API as any program would, and says which call failed when one does.

/** How a call is made. */
export interface Asking {
  token?: string;
  tenant?: string;
  body?: unknown;
  /** A body that is sent as it is, with its content type. */
  upload?: { type: string; stream: BodyInit };
  idempotencyKey?: string;
  headers?: Record<string, string>;
}

/** An answer; `body` is parsed when it is JSON. */
export interface Answer {
  status: number;
  // deno-lint-ignore no-explicit-any -- answers have every shape
  body: any;
  text: string;
}

/** The API at one base URL. */
export class Client {
  constructor(readonly url: string) {}

  /** Calls and gives the answer, whatever its status. */
  async ask(method: string, path: string, asking: Asking = {}): Promise<Answer> {
    const headers = new Headers(asking.headers);
    if (asking.token) headers.set("authorization", `Bearer ${asking.token}`);
    if (asking.tenant) headers.set("x-tenant", asking.tenant);
    if (asking.idempotencyKey) headers.set("idempotency-key", asking.idempotencyKey);
    if (asking.upload) headers.set("content-type", asking.upload.type);
    else if (asking.body !== undefined) headers.set("content-type", "application/json");
    const body = asking.upload?.stream ?? (asking.body === undefined ? undefined : JSON.stringify(asking.body));
    const response = await fetch(this.url + path, { method, headers, body });
    const text = await response.text();
    const json = /^application\/(problem\+)?json\b/.test(response.headers.get("content-type") ?? "");
    return { status: response.status, text, body: json ? JSON.parse(text) : text };
  }

  /** Calls and gives the body. Throws unless the status is 2xx. */
  async call(method: string, path: string, asking: Asking = {}) {
    const { status, body, text } = await this.ask(method, path, asking);
    if (status < 200 || status > 299) throw new Error(`${method} ${path} answered ${status}: ${text.slice(0, 500)}`);
    return body;
  }

  /** All items of a list, page by page. */
  async list(path: string, asking: Asking = {}) {
    const items = [];
    for (let cursor = "";;) {
      const page = await this.call("GET", `${path}${path.includes("?") ? "&" : "?"}limit=200${cursor}`, asking);
      items.push(...page.items);
      if (!page.next) return items;
      cursor = `&cursor=${encodeURIComponent(page.next)}`;
    }
  }

  /** Asks again until `look` gives something. Throws after `ms` milliseconds. */
  async until<T>(what: string, look: () => Promise<T | null | undefined | false>, ms = 60_000): Promise<T> {
    for (const end = performance.now() + ms; performance.now() < end;) {
      const found = await look();
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 15));
    }
    throw new Error(`Waited ${ms / 1000} s for ${what}`);
  }

  /** Waits for a tenant's job and gives it. Throws when it failed. */
  async job(token: string, id: string) {
    const done = await this.until(`job ${id}`, async () => {
      const job = await this.call("GET", `/v1/jobs/${id}`, { token });
      return ["succeeded", "failed"].includes(job.status) && job;
    });
    if (done.status === "failed") throw new Error(`Job "${done.kind}" failed: ${done.error}`);
    return done;
  }
}

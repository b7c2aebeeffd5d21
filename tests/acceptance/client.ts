// A stranger's HTTP client, and the few calls that every story begins with: signing in, the mailbox, waiting for a job.
import assert from "node:assert/strict";
import { until } from "./platform.ts";

/** An answer, parsed when it is JSON. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  // deno-lint-ignore no-explicit-any -- answers have every shape
  body: any;
}

/** What a request carries. */
export interface Asking {
  token?: string;
  tenant?: string;
  /** Sent as JSON. */
  body?: unknown;
  /** Sent as text/csv. */
  csv?: string;
  key?: string;
  headers?: Record<string, string>;
}

/** The API at one URL. */
export class Client {
  constructor(readonly url: string) {}

  async ask(method: string, path: string, { token, tenant, body, csv, key, headers }: Asking = {}): Promise<Answer> {
    const sent = new Headers(headers);
    if (token) sent.set("authorization", `Bearer ${token}`);
    if (tenant) sent.set("x-tenant", tenant);
    if (key) sent.set("idempotency-key", key);
    if (csv !== undefined) sent.set("content-type", "text/csv");
    else if (body !== undefined) sent.set("content-type", "application/json");
    const payload = csv ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(this.url + path, { method, headers: sent, body: payload, redirect: "manual" });
    const text = await response.text();
    const json = /[/+]json/.test(response.headers.get("content-type") ?? "");
    return { status: response.status, headers: response.headers, text, body: json && text ? JSON.parse(text) : text };
  }

  /** Calls; the answer must have the status. Gives the body. */
  // deno-lint-ignore no-explicit-any -- answers have every shape
  async expect(status: number, method: string, path: string, asking: Asking = {}): Promise<any> {
    const answer = await this.ask(method, path, asking);
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text.slice(0, 600)}`);
    return answer.body;
  }

  /** Calls; the answer must be a problem with this status and code. Gives it. */
  // deno-lint-ignore no-explicit-any -- as above
  async refused(status: number, code: string, method: string, path: string, asking: Asking = {}): Promise<any> {
    const answer = await this.ask(method, path, asking);
    assert.deepEqual([answer.status, answer.body.code], [status, code], `${method} ${path}: ${answer.text}`);
    assert.equal(answer.headers.get("content-type"), "application/problem+json");
    assert.equal(answer.headers.get("x-request-id"), answer.body.request_id);
    return answer.body;
  }

  /** All rows of a list, page by page, with the number of pages. */
  // deno-lint-ignore no-explicit-any -- as above
  async walk(path: string, token: string, limit = 200): Promise<{ rows: any[]; pages: number }> {
    const rows = [];
    const query = `${path}${path.includes("?") ? "&" : "?"}limit=${limit}`;
    for (let cursor = "", pages = 1;; pages++) {
      const page = await this.expect(200, "GET", query + cursor, { token });
      assert.ok(page.items.length <= limit);
      assert.ok(page.next === null || !cursor.endsWith(encodeURIComponent(page.next)), `${path} does not get on`);
      rows.push(...page.items);
      if (page.next === null) return { rows, pages };
      cursor = `&cursor=${encodeURIComponent(page.next)}`;
    }
  }

  /** The token in the newest mail to an address. */
  async mailedToken(to: string): Promise<string> {
    return await until(`a mail to ${to}`, async () => {
      const { items } = await this.expect(200, "GET", "/dev/mail", { headers: { accept: "application/json" } });
      const mail = items.find((item: { to: string }) => item.to === to);
      return /token=([\w.-]+)/.exec(mail?.text ?? "")?.[1];
    });
  }

  /** Waits for a job of a tenant; it must succeed. Gives its result. */
  async jobResult(token: string, id: string): Promise<Record<string, unknown>> {
    const done = await until(`job ${id}`, async () => {
      const job = await this.expect(200, "GET", `/v1/jobs/${id}`, { token });
      return ["succeeded", "failed"].includes(job.status) && job;
    });
    assert.deepEqual([done.status, done.progress, done.error], ["succeeded", 1, null]);
    return done.result;
  }
}

// A platform under watch: every refusal is checked to be a problem with its code, to have changed no row, and to have said
// nothing secret; what is secret is collected as it comes up.
import assert from "node:assert/strict";
import { type Answer, type Asking, bootApp, MEMBER_PASSWORD, OPERATOR, type TestApp } from "../support/app.ts";
import { adminSql } from "../support/postgres.ts";
import { type RawAnswer, sendRaw } from "./raw.ts";

const SCHEMAS = ["platform", "tenant", "reference"];
/** What keeps account of requests and of refusals, by design: limits, lockouts, the audit. It is searched for secrets too. */
const ACCOUNTS = ["platform.rate_windows", "platform.login_failures", "tenant.audit"];

/** Boots a platform under watch. */
export async function watch(): Promise<Watched> {
  return new Watched(await bootApp());
}

/** A platform that is watched; `stop()` at the end. */
export class Watched {
  /** What must not be read anywhere: passwords, tokens, what was sent as Authorization. */
  readonly secrets = new Set<string>([OPERATOR.password, MEMBER_PASSWORD]);
  /** All answers but those that hand tokens out. */
  readonly #answers: string[] = [];
  #readers: Promise<{ count: () => Promise<string>; dump: () => Promise<string>; end: () => Promise<void> }[]>;

  constructor(readonly app: TestApp) {
    const { platformDatabase, sharedDatabase } = app.services.servers.settings;
    this.#readers = Promise.all([platformDatabase, sharedDatabase].map(openReader));
  }

  /** Asks, and keeps the answer for the search. */
  async ask(method: string, path: string, asking?: Asking): Promise<Answer> {
    return this.#heard(await this.app.ask(method, path, asking));
  }

  /** Sends bytes, and keeps the answer for the search. */
  async raw(lines: string[], body?: string | Uint8Array, options?: { cutOff?: boolean }): Promise<RawAnswer> {
    return this.#heard(await sendRaw(this.app.port, lines, body, options));
  }

  /** Asks for something that must be refused with this status and code and change nothing. Gives the problem. */
  async refused(expected: string, method: string, path: string, asking?: Asking): Promise<Record<string, unknown>> {
    return await this.#refused(expected, `${method} ${path.slice(0, 200)}`, () => this.ask(method, path, asking));
  }

  /** The same by hand. */
  async rawRefused(expected: string, lines: string[], body?: string | Uint8Array): Promise<Record<string, unknown>> {
    return await this.#refused(expected, lines.join(" | ").slice(0, 300), () => this.raw(lines, body));
  }

  /** Runs `work`, which must leave every row of every table as it was. */
  async unchanged<T>(what: string, work: () => Promise<T>): Promise<T> {
    const before = await this.#state();
    const result = await work();
    assert.equal(await this.#state(), before, `${what} changed rows`);
    return result;
  }

  /** Throws when a secret was read anywhere, or a refusal was logged as an error of ours; also tries the search itself. */
  async saidNothingSecret(options: { outage?: boolean } = {}): Promise<void> {
    assert.deepEqual(await this.#findSecrets(), []);
    const errors = this.app.lines.filter((line) => /"status":5|"level":"error"/.test(line));
    assert.deepEqual(
      errors.filter((line) => !(options.outage && /Cannot connect to the database|57P01|"status":503/.test(line))),
      [],
    );
    for (const known of [String(this.app.lines.at(-1)).slice(20, 60), "applications.submit", OPERATOR.email]) {
      this.secrets.add(known);
      assert.ok((await this.#findSecrets()).length > 0, `The search does not find "${known}"`);
      this.secrets.delete(known);
    }
  }

  /** Searches the log, the answers and every table for what is secret. */
  async #findSecrets(): Promise<string[]> {
    const places: [string, string][] = [
      ["the log", this.app.lines.join("\n")],
      ["the answers", this.#answers.join("\n")],
      ["the databases", (await Promise.all((await this.#readers).map((reader) => reader.dump()))).join("\n")],
    ];
    return [...this.secrets].flatMap((secret) =>
      places.filter(([, text]) => text.includes(secret)).map(([place]) => `"${secret}" is in ${place}`)
    );
  }

  async stop(): Promise<void> {
    for (const reader of await this.#readers) await reader.end();
    await this.app.stop();
  }

  async #refused(expected: string, what: string, ask: () => Promise<Answer | RawAnswer>) {
    const answer = await this.unchanged(what, ask);
    const { status, body, headers } = answer;
    assert.equal(`${status} ${body?.code}`, expected, `${what}: ${JSON.stringify(body)}`);
    assert.equal(headers.get("content-type"), "application/problem+json", what);
    assert.deepEqual([body.status, body.type], [status, `urn:bulkhead:error:${body.code}`], what);
    assert.match(body.request_id, /^[\w.-]{1,64}$/, what);
    assert.ok(!/(\.ts:\d|node_modules|select |insert |SQLSTATE)/i.test(JSON.stringify(body)), JSON.stringify(body));
    return body;
  }

  #heard<T extends { body: unknown }>(answer: T): T {
    const text = typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body);
    if (!text?.includes('"access_token"')) this.#answers.push(text);
    return answer;
  }

  async #state(): Promise<string> {
    return (await Promise.all((await this.#readers).map((reader) => reader.count()))).join("\n");
  }
}

/** Reads all tables of a database: as a hash of everything, and as text with bytes shown as they are. */
async function openReader(database: string) {
  const sql = await adminSql(database);
  const tables =
    await sql`select format('%I.%I', schemaname, tablename) as name, schemaname || '.' || tablename as label
    from pg_tables where schemaname = any(${SCHEMAS}) order by 1`;
  const hash = tables.filter(({ label }) => !ACCOUNTS.includes(label)).map(({ name, label }) =>
    `select '${label} ' || count(*) || ' ' || coalesce(md5(string_agg(t::text, ',' order by t::text)), '') as state from ${name} t`
  ).join(" union all ");
  const queue = await sql`select to_regclass('pgboss.job') is not null as there`;
  const all = [...tables.map(({ name }) => name), ...(queue[0].there ? ["pgboss.job"] : [])];
  return {
    count: async () => (await sql.unsafe(hash)).map((row) => row.state).join("\n"),
    dump: async () => {
      const parts = [];
      for (const name of all) parts.push(...(await sql.unsafe(`select t::text as text from ${name} t`)));
      return parts.map((row) => row.text).join("\n");
    },
    end: () => sql.end(),
  };
}

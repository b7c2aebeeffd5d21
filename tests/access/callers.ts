// Two tenants, victim and attacker, on one platform, and requests in every guise: what the routes' matrix is made of.
import assert from "node:assert/strict";
import type { Sql } from "../../src/db/direct.ts";
import { sendRaw } from "../http/raw.ts";
import { type Answer, bootApp, type TestApp, type TestTenant } from "../support/app.ts";
import { openPlace, type Place } from "../support/placement.ts";
import { adminSql } from "../support/postgres.ts";
import { readTables, type Table } from "../../src/prove/catalogue.ts";
import { type Operation, readOperations } from "../../src/prove/operations.ts";
import { Rows } from "../../src/prove/rows.ts";
import { fill, inventory } from "./stage.ts";

/** The platform with its two tenants; the victim has a row in each of its tables. */
export class Callers {
  /** Requests that were sent. */
  calls = 0;
  #victimIds = new Map<string, string>();

  private constructor(
    readonly app: TestApp,
    readonly operations: Operation[],
    readonly victim: TestTenant,
    readonly attacker: TestTenant,
    readonly place: Place,
    readonly tables: Table[],
    readonly platform: Sql,
  ) {}

  static async gather(): Promise<Callers> {
    const app = await bootApp();
    const [victim, attacker] = await Promise.all([app.tenant("routes-victim"), app.tenant("routes-attacker")]);
    const operations = readOperations((await app.ask("GET", "/openapi.json")).body);
    const place = await openPlace(app, victim);
    const platform = await adminSql(app.services.servers.settings.platformDatabase);
    const tables = await readTables(place.admin, "tenant", place.placement.login);
    const shared = await readTables(place.admin, "reference", place.placement.login);
    const callers = new Callers(app, operations, victim, attacker, place, tables, platform);
    const rows = new Rows(place.admin, [...tables, ...shared]);
    await fill(place.admin, rows, tables, victim.id);
    for (const table of tables) {
      const { id } = await rows.row(table, victim.id);
      if (id) callers.#victimIds.set(table.name.replace("tenant.", ""), id);
    }
    return callers;
  }

  async end(): Promise<void> {
    await this.place.end();
    await this.platform.end();
    await this.app.stop();
  }

  /** Sends a valid request for an operation; an id in the path is one of the victim's. */
  async send(operation: Operation, headers: Record<string, string> = {}, prefix = ""): Promise<Answer> {
    const { type, text } = bodyOf(operation);
    this.calls++;
    return await this.app.ask(operation.method, prefix + this.#pathOf(operation), {
      headers: { ...headers, ...(type !== null && { "content-type": type }) },
      ...(type !== null && { raw: text }),
    });
  }

  /** Sends it to a host by hand: fetch() writes the Host header itself. */
  async sendTo(host: string, operation: Operation, token: string): Promise<Answer> {
    const { type, text } = bodyOf(operation);
    const start = `${operation.method} ${this.#pathOf(operation)} HTTP/1.1`;
    const lines = [start, `Host: ${host}`, `Authorization: Bearer ${token}`];
    if (type !== null) lines.push(`Content-Type: ${type}`, `Content-Length: ${text.length}`);
    this.calls++;
    return await sendRaw(this.app.port, lines, text);
  }

  /** A member of the victim, with any role, as our own keys sign it. */
  memberToken(role: string): Promise<string> {
    return this.app.services.tokens.issueMember({
      memberId: this.#victimIds.get("members")!,
      tenantId: this.victim.id,
      role,
      sessionId: crypto.randomUUID(),
    });
  }

  /** An operator that nobody knows, with any role, as our own keys sign it. */
  operatorToken(role: string): Promise<string> {
    return this.app.services.tokens.issueOperator({ operatorId: crypto.randomUUID(), email: "x@example.test", role });
  }

  /** Everything that an attack could have changed. */
  async everything() {
    const [{ hash }] = await this.platform`select md5(string_agg(t::text, '|' order by t::text)) as hash from (
      select to_jsonb(t)::text from platform.tenants t union all select to_jsonb(a)::text from platform.applications a
      union all select to_jsonb(o)::text from platform.operators o
      union all select to_jsonb(e)::text from platform.events e) t`;
    return { platform: hash, tenant: await inventory(this.place.admin, this.tables, this.victim.id) };
  }

  #pathOf(operation: Operation): string {
    return operation.path.replace(/\{(\w+)\}/g, () => this.#idFor(operation)) + operation.query;
  }

  #idFor({ path, inTenant }: Operation): string {
    if (!inTenant && path.includes("{slug}")) return this.victim.slug;
    if (!inTenant) return path.includes("applications") ? this.victim.applicationId : this.victim.id;
    const collection = path.split("/")[2];
    const id = this.#victimIds.get(collection);
    if (!id) throw new Error(`The victim has nothing in "${collection}", which "${path}" is about`);
    return id;
  }
}

function bodyOf({ body }: Operation): { type: string | null; text: string } {
  if (body === null) return { type: null, text: "" };
  const json = body.type === "application/json";
  return { type: body.type, text: json ? JSON.stringify(body.value) : String(body.value) };
}

/** The header of a token. */
export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** Asserts a refusal: status, code, problem+json and nothing of the inside. */
export function refused(answer: Answer, status: number, code: string, what: string): void {
  assert.deepEqual([answer.status, answer.body.code], [status, code], `${what}: ${JSON.stringify(answer.body)}`);
  assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/, what);
  assert.deepEqual([answer.body.status, typeof answer.body.request_id], [status, "string"], what);
  assert.ok(!("stack" in answer.body), what);
}

/** The roles that a table's CHECK allows. */
export async function allRoles(sql: Sql, table: string): Promise<string[]> {
  const [{ roles }] = await sql`
    select to_json(array(select m[1] from regexp_matches(pg_get_constraintdef(c.oid), '''([a-z_]+)''', 'g') m)) as roles
    from pg_constraint c where conrelid = ${table}::regclass and contype = 'c' and conkey = array[
      (select attnum from pg_attribute where attrelid = ${table}::regclass and attname = 'role')]`;
  assert.ok(roles.length >= 3);
  return roles;
}

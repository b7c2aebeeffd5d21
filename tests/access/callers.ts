// Two tenants, victim and attacker, on one platform, and requests in every guise: what the routes' matrix is made of.
import assert from "node:assert/strict";
import type { Sql } from "../../src/db/direct.ts";
import type { Permissions } from "../../src/identity/permissions.ts";
import { sendRaw } from "../http/raw.ts";
import { type Answer, bootApp, type TestApp, type TestTenant } from "../support/app.ts";
import { openPlace, type Place } from "../support/placement.ts";
import { adminSql } from "../support/postgres.ts";
import { readTables, type Table } from "../../src/prove/catalogue.ts";
import { nameOf, type Operation, readOperations, tableOf } from "../../src/prove/operations.ts";
import { Rows } from "../../src/prove/rows.ts";
import { fill, inventory } from "./stage.ts";

/** What paths in a tenant are about that no table of the tenant holds. */
const WITH_THE_PLATFORM = ["factors"];

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
    await place.admin`update tenant.members set status = 'active' where tenant_id = ${victim.id}`;
    await place.admin`update tenant.sessions set expires_at = now() + interval '1 day', revoked_at = null
      where tenant_id = ${victim.id}`;
    for (const table of tables) {
      const row = await rows.row(table, victim.id);
      const id = row.seq ? "1" : nameOf(row);
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

  /** A member of the victim, with any role, as our own keys sign it; in its one live session. */
  memberToken(role: string, permissions?: Permissions): Promise<string> {
    return this.app.services.tokens.issueMember({
      memberId: this.#victimIds.get("members")!,
      tenantId: this.victim.id,
      role,
      permissions,
      accountId: crypto.randomUUID(),
      sessionId: this.#victimIds.get("sessions")!,
    });
  }

  /** Runs `work` while the member of `memberToken()` has a role of the victim's own. */
  async asRole(key: string, work: () => Promise<void>): Promise<void> {
    const { admin } = this.place;
    const [tenantId, memberId] = [this.victim.id, this.#victimIds.get("members")!];
    await admin`insert into tenant.roles (tenant_id, key, name) values (${tenantId}, ${key}, 'For a test')`;
    await admin`update tenant.members set role = ${key} where tenant_id = ${tenantId} and id = ${memberId}`;
    await work().finally(async () => {
      await admin`update tenant.members set role = 'member' where tenant_id = ${tenantId} and id = ${memberId}`;
      await admin`delete from tenant.roles where tenant_id = ${tenantId} and key = ${key}`;
    });
  }

  /** What that role may do from now on, past all rules. */
  async setRole(key: string, permissions: Permissions): Promise<void> {
    await this.place.admin`update tenant.roles set effective = ${this.place.admin.json(permissions as never)}
      where tenant_id = ${this.victim.id} and key = ${key}`;
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
    const table = tableOf(path);
    const id = this.#victimIds.get(table);
    if (!id && !WITH_THE_PLATFORM.includes(table)) {
      throw new Error(`The victim has nothing in "${table}", which "${path}" is about`);
    }
    return id ?? crypto.randomUUID();
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

// A few tenants on two processes, changed at random over the API and asked at random with old and new tokens. Every answer
// is compared with the oracle; every change must succeed or be refused as the oracle says.
import assert from "node:assert/strict";
import { createApp } from "../../src/app.ts";
import type { Permission } from "../../src/identity/permissions.ts";
import { PERMISSIONS } from "../../src/identity/permissions.ts";
import { platformHosts } from "../../src/services.ts";
import type { Services } from "../../src/tenancy/services.ts";
import type { TestApp, TestProcess, TestTenant } from "../support/app.ts";
import { addPerson, issueToken, openSession } from "../support/people.ts";
import type { Random } from "../support/random.ts";
import { type Member, Oracle, type Role } from "./roles_oracle.ts";

const MEMBERS = 6;
const ROLES = 5;
const UNITS = 5;
const BUILT_IN = ["admin", "manager", "unit_manager", "member"];
const TOKENS_KEPT = 4;

/** Routes that are asked, and the permission that each one needs. `none` is an id that nothing has. */
const PROBES: [string, string, Permission][] = [
  ["GET", "/v1/members?limit=1", "members.view"],
  ["GET", "/v1/roles", "roles.view"],
  ["GET", "/v1/units?limit=1", "units.view"],
  ["GET", "/v1/settings/access", "settings.view"],
  ["GET", "/v1/permissions", "roles.view"],
  ["GET", "/v1/jobs?limit=1", "jobs.view"],
  ["GET", "/v1/properties?limit=1", "properties.view"],
  ["GET", "/v1/renters?limit=1", "renters.view"],
  ["GET", "/v1/meters?limit=1", "meters.view"],
  ["GET", "/v1/invoices?limit=1", "invoices.view"],
  ["GET", "/v1/reports?limit=1", "reports.view"],
  ["GET", "/v1/tariffs?limit=1", "tariffs.view"],
  ["DELETE", "/v1/properties/none", "properties.delete"],
  ["DELETE", "/v1/renters/none", "renters.delete"],
  ["DELETE", "/v1/meters/none", "meters.delete"],
  ["DELETE", "/v1/members/none", "members.delete"],
  ["DELETE", "/v1/units/none", "units.delete"],
];

interface Place {
  tenant: TestTenant;
  oracle: Oracle;
}

/** What was decided otherwise than it should. */
export interface Wrong {
  tenant: string;
  role: string;
  request: string;
  got: string;
  wanted: string;
}

/** The world of one run. */
export class World {
  decisions = 0;
  changes = 0;
  refusedChanges = 0;
  readonly wrong: Wrong[] = [];
  /** How often each kind of decision was the right one. */
  readonly kinds: Record<string, number> = {};
  #places: Place[] = [];
  #served: ((request: Request) => Response | Promise<Response>)[];

  constructor(readonly app: TestApp, second: TestProcess, readonly random: Random) {
    this.#served = [app, second].map(({ services }) => served(services));
  }

  get tenants(): TestTenant[] {
    return this.#places.map(({ tenant }) => tenant);
  }

  /** Makes the tenants and what is in them. */
  async furnish(slugs: string[]): Promise<void> {
    this.#places = await Promise.all(slugs.map(async (slug) => {
      const place: Place = { tenant: await this.app.tenant(slug), oracle: new Oracle() };
      for (let i = 0; i < UNITS; i++) {
        const { id } = await this.#made(place, "/v1/units", { name: `Unit ${i}` });
        place.oracle.units.set(id, null);
      }
      for (const unit_id of [...place.oracle.units.keys(), null]) {
        const body = { name: "B", address: "1 King St", city: "Toronto", country: "CA", unit_id };
        place.oracle.buildings.set((await this.#made(place, "/v1/buildings", body)).id, unit_id);
      }
      for (let i = 0; i < ROLES; i++) {
        const key = `role_${i}`;
        await this.#made(place, "/v1/roles", { key, name: key });
        place.oracle.roles.set(key, { permissions: {}, includes: [], unitsOnly: false });
      }
      for (let i = 0; i < MEMBERS; i++) {
        const role = this.random.pick(BUILT_IN);
        const { id, sessionId, token } = await addPerson(this.app, place.tenant, role);
        const sessions = [{ id: sessionId, live: true, tokens: [token] }];
        place.oracle.members.push({ id, role, active: true, units: new Set(), sessions });
      }
      return place;
    }));
  }

  /** Changes something in a tenant, and keeps what the oracle says of it. */
  async change(): Promise<void> {
    const { random } = this;
    const place = random.pick(this.#places);
    this.changes++;
    const member = random.pick(place.oracle.members);
    switch (random.below(8)) {
      case 0:
      case 1:
      case 2:
        return await this.#changeRole(place);
      case 3:
        return await this.#assign(place, member);
      case 4:
        return await this.#setUnits(place, member);
      case 5:
        return await this.#moveUnit(place);
      case 6:
        return await this.#setStatus(place, member);
      default:
        return await this.#endSession(place, member);
    }
  }

  /** Issues what a sign-in or a refresh would give now; earlier tokens and ended sessions stay in use. */
  async renew(): Promise<void> {
    const { tenant, oracle } = this.random.pick(this.#places);
    for (const member of oracle.members.filter(({ active }) => active)) {
      const session = member.sessions.find(({ live }) => live);
      if (!session) {
        const { sessionId, token } = await openSession(this.app.services, tenant.id, member.id);
        member.sessions = [...member.sessions.slice(-1), { id: sessionId, live: true, tokens: [token] }];
      } else if (this.random.chance(0.2)) {
        const of = { memberId: member.id, sessionId: session.id };
        session.tokens.push(await issueToken(this.app.services, tenant.id, of));
        if (session.tokens.length > TOKENS_KEPT) session.tokens.splice(this.random.below(TOKENS_KEPT - 1), 1);
      }
    }
  }

  /** Asks `n` things at once. */
  async decide(n: number): Promise<void> {
    await Promise.all(Array.from({ length: n }, () => this.#decide(this.random.pick(this.#places))));
  }

  async #decide({ tenant, oracle }: Place): Promise<void> {
    const { random } = this;
    const member = random.pick(oracle.members);
    const session = member.sessions.find(({ live }) => live && random.chance(0.9)) ?? random.pick(member.sessions);
    const token = random.pick(session.tokens);
    const process = random.below(2);
    const mayEnter = member.active && session.live;
    const [method, path, permission, rows] = this.#probe(oracle);
    const wanted = !mayEnter
      ? "401"
      : !oracle.mayNow(member, permission)
      ? "403"
      : rows
      ? rows(oracle.seenBy(member))
      : path.endsWith("none")
      ? "404"
      : "200";
    const answer = await this.#ask(process, method, path.replace("none", crypto.randomUUID()), token);
    const got = rows && answer.status === 200 && answer.body.items
      ? answer.body.items.map(({ id }: { id: string }) => id).sort().join()
      : String(answer.status);
    this.decisions++;
    const kind = /^(\d{3})$/.test(wanted) ? wanted : "rows";
    this.kinds[kind] = (this.kinds[kind] ?? 0) + 1;
    if (got === wanted) return;
    this.wrong.push({ tenant: tenant.slug, role: member.role, request: `${method} ${path}`, got, wanted });
  }

  #probe(oracle: Oracle): [string, string, Permission, ((seen: string[]) => string)?] {
    const { random } = this;
    if (random.chance(0.6)) return random.pick(PROBES);
    if (random.chance(0.5)) return ["GET", "/v1/buildings?limit=100", "buildings.view", (seen) => seen.join()];
    const id = random.pick([...oracle.buildings.keys()]);
    const found = (seen: string[]) => seen.includes(id) ? "200" : "404";
    return random.chance(0.5)
      ? ["GET", `/v1/buildings/${id}`, "buildings.view", found]
      : ["PATCH", `/v1/buildings/${id}`, "buildings.edit", found];
  }

  async #changeRole(place: Place): Promise<void> {
    const { random } = this;
    const { oracle } = place;
    const key = random.pick([...oracle.roles.keys()]);
    const before = oracle.roles.get(key)!;
    const kind = random.below(3);
    const change: Partial<Role> = kind === 0
      ? { permissions: this.#permissions() }
      : kind === 1
      ? { includes: [...oracle.roles.keys(), ...BUILT_IN].filter(() => random.chance(0.15)) }
      : { unitsOnly: !before.unitsOnly };
    const { unitsOnly, ...rest } = change;
    const body = { ...rest, ...(unitsOnly !== undefined && { units_only: unitsOnly }) };
    const wanted = { ...before, ...change };
    const allowed = oracle.allowsRole(key, wanted);
    await this.#do(place, "PATCH", `/v1/roles/${key}`, body, allowed ? 200 : 422);
    if (allowed) oracle.roles.set(key, wanted);
  }

  #permissions(): Record<string, string[]> {
    const { random } = this;
    if (random.chance(0.05)) return { "*": ["*"] };
    const few = random.chance(0.7) ? ["buildings", "properties", "renters", "meters"] : Object.keys(PERMISSIONS);
    return Object.fromEntries(
      few.filter(() => random.chance(0.4)).map((resource) => {
        const actions: readonly string[] = PERMISSIONS[resource as keyof typeof PERMISSIONS];
        return [resource, random.chance(0.2) ? ["*"] : actions.filter(() => random.chance(0.5))];
      }),
    );
  }

  async #assign(place: Place, member: Member): Promise<void> {
    const role = this.random.pick([...place.oracle.roles.keys(), ...place.oracle.roles.keys(), ...BUILT_IN]);
    await this.#do(place, "PATCH", `/v1/members/${member.id}`, { role }, 200);
    member.role = role;
  }

  async #setUnits(place: Place, member: Member): Promise<void> {
    const units = [...place.oracle.units.keys()].filter(() => this.random.chance(0.3));
    await this.#do(place, "PUT", `/v1/members/${member.id}/units`, { unit_ids: units }, 200);
    member.units = new Set(units);
  }

  async #moveUnit(place: Place): Promise<void> {
    const { oracle } = place;
    const unit = this.random.pick([...oracle.units.keys()]);
    const parent = this.random.pick([...oracle.units.keys(), null]);
    const allowed = oracle.allowsMove(unit, parent);
    await this.#do(place, "PATCH", `/v1/units/${unit}`, { parent_id: parent }, allowed ? 200 : 422);
    if (allowed) oracle.units.set(unit, parent);
  }

  async #setStatus(place: Place, chosen: Member): Promise<void> {
    const shut = place.oracle.members.filter(({ active }) => !active);
    const member = shut.length > 1 ? this.random.pick(shut) : chosen;
    const status = member.active ? this.random.pick(["suspended", "inactive"]) : "active";
    await this.#do(place, "PATCH", `/v1/members/${member.id}`, { status }, 200);
    member.active = status === "active";
    if (!member.active) member.sessions.forEach((session) => session.live = false);
  }

  async #endSession(place: Place, member: Member): Promise<void> {
    const session = member.sessions.find(({ live }) => live);
    if (!session || !member.active) return;
    await this.#do(place, "POST", "/v1/auth/logout", undefined, 204, session.tokens[0]);
    session.live = false;
  }

  async #made(place: Place, path: string, body: unknown): Promise<{ id: string }> {
    return (await this.#do(place, "POST", path, body, 201)).body;
  }

  /** A change by the tenant's administrator, in a process by chance. */
  async #do(place: Place, method: string, path: string, body: unknown, status: number, token = place.tenant.admin) {
    const answer = await this.#ask(this.random.below(2), method, path, token, body);
    assert.equal(answer.status, status, `${method} ${path} ${JSON.stringify(body)}: ${JSON.stringify(answer.body)}`);
    if (status === 422) this.refusedChanges++;
    return answer;
  }

  async #ask(process: number, method: string, path: string, token: string, body: unknown = undefined) {
    const headers = new Headers({ authorization: `Bearer ${token}` });
    if (body === undefined && method === "PATCH") body = { city: "Toronto" };
    if (body !== undefined) headers.set("content-type", "application/json");
    const text = body === undefined ? undefined : JSON.stringify(body);
    const request = new Request(`${this.app.url}${path}`, { method, headers, body: text });
    const response = await this.#served[process](request);
    const answer = await response.text();
    return { status: response.status, body: answer ? JSON.parse(answer) : null };
  }
}

/** A process's app without the socket: the same guard, doors and caches. */
function served(services: Services) {
  const hono = createApp(services, platformHosts(services.config, services.publicUrl));
  return (request: Request) => hono.fetch(request);
}

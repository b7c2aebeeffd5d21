// Operators and a tenant over two processes for tests of visits: asking for one, beginning it, and looking round in it.
import type { Answer, TestProcess, TestTenant } from "../support/app.ts";
import { addOperator, type TestOperator } from "../support/operators.ts";
import { BUILDING } from "./keyed.ts";
import { ok, People } from "./auth_people.ts";

export const REASON = "Ticket 4711: invoices look wrong";

/** A visit that has begun. */
export interface Visit {
  id: string;
  token: string;
  // deno-lint-ignore no-explicit-any -- an answer's body
  begun: any;
}

/** The platform of a test file. */
export class Visits {
  private constructor(
    readonly people: People,
    readonly other: TestProcess,
    readonly acme: TestTenant,
    readonly globex: TestTenant,
    readonly support: TestOperator,
    readonly superadmin: TestOperator,
  ) {}

  static async boot(): Promise<Visits> {
    const people = await People.boot();
    const { app } = people;
    const tenants = [await app.tenant("visit-acme"), await app.tenant("visit-globex")] as const;
    const operators = [await addOperator(app, "support"), await addOperator(app, "superadmin")] as const;
    return new Visits(people, await app.secondProcess(), ...tenants, ...operators);
  }

  async end(): Promise<void> {
    await this.other.stop();
    await this.people.end();
  }

  /** Asks for a visit. */
  request = (operator: TestOperator, body: Record<string, unknown> = {}, tenant = this.acme): Promise<Answer> =>
    this.people.post(`/v1/tenants/${tenant.id}/impersonations`, operator.token, { reason: REASON, ...body });

  /** Begins one with its token. */
  begin = (token: string, tenant = this.acme, at: TestProcess = this.people.app): Promise<Answer> =>
    at.ask("POST", `/t/${tenant.slug}/v1/auth/impersonate`, { body: { token } });

  /** A visit that has begun. */
  visit = async (operator = this.support, body: Record<string, unknown> = {}): Promise<Visit> => {
    const asked = ok(await this.request(operator, body), 201).body;
    const begun = ok(await this.begin(asked.token)).body;
    return { id: asked.id, token: begun.access_token, begun };
  };

  look = (token: string, at: TestProcess = this.people.app) => at.ask("GET", "/v1/buildings", { token });

  build = (token: string, at: TestProcess = this.people.app) =>
    at.ask("POST", "/v1/buildings", { token, body: BUILDING });

  /** Entries of a tenant's audit, the newest first. */
  audit = async (query: string, tenant = this.acme) =>
    ok(await this.people.app.ask("GET", `/v1/audit?limit=200${query}`, { token: tenant.admin })).body.items;
}

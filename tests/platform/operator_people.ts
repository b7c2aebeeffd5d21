// Operators with second factors for tests: on one platform that two processes serve, over HTTP, and a look behind the curtain.
import assert from "node:assert/strict";
import { totpCode } from "../../src/identity/totp.ts";
import { type Answer, bootApp, type TestApp, type TestProcess } from "../support/app.ts";
import { addOperator, OPERATOR_PASSWORD, type TestOperator } from "../support/operators.ts";
import { adminSql } from "../support/postgres.ts";
import { ok } from "../tenant/auth_people.ts";

/** Milliseconds for which a code is shown. */
export const STEP = 30_000;

/** An operator with an authenticator app. */
export interface Person extends TestOperator {
  secret: string;
  factor: string;
  codes: string[];
}

/** A platform and what operators do on it. */
export class Staff {
  private constructor(
    readonly app: TestApp,
    readonly other: TestProcess,
    readonly sql: Awaited<ReturnType<typeof adminSql>>,
  ) {}

  static async boot(env?: Record<string, string>): Promise<Staff> {
    const app = await bootApp({ env });
    return new Staff(app, await app.secondProcess(), await adminSql(app.services.servers.settings.platformDatabase));
  }

  async end(): Promise<void> {
    await this.sql.end();
    await this.other.stop();
    await this.app.stop();
  }

  post(path: string, token: string | undefined, body?: unknown, at: TestProcess = this.app): Promise<Answer> {
    return at.ask("POST", path, { token, body });
  }

  me(token: string, at: TestProcess = this.app): Promise<Answer> {
    return at.ask("GET", "/v1/operators/me", { token });
  }

  login(email: string, password = OPERATOR_PASSWORD): Promise<Answer> {
    return this.post("/v1/operators/login", undefined, { email, password });
  }

  /** Shows the password; gives the token for the second step. */
  async halfWay(email: string): Promise<string> {
    const { body } = ok(await this.login(email));
    const told = [body.state, body.factors, body.passkey_options];
    assert.deepEqual(told, ["second_factor", ["totp", "recovery_code"], null]);
    assert.ok(!("access_token" in body) && !("operator" in body));
    return body.mfa_token;
  }

  /** The second step. */
  finish(mfa_token: string, given: Record<string, unknown>, at: TestProcess = this.app): Promise<Answer> {
    return this.post("/v1/operators/mfa", undefined, { mfa_token, ...given }, at);
  }

  begin(token: string, body: unknown): Promise<Answer> {
    return this.post("/v1/operators/factors/totp", token, body);
  }

  confirm(token: string, id: string, code: string): Promise<Answer> {
    return this.post("/v1/operators/factors/totp/confirm", token, { id, code });
  }

  async factors(token: string) {
    return ok(await this.app.ask("GET", "/v1/operators/factors", { token })).body;
  }

  reset(id: string, token: string): Promise<Answer> {
    return this.post(`/v1/operators/${id}/reset-factors`, token);
  }

  async withApp(role = "support"): Promise<Person> {
    const operator = await addOperator(this.app, role);
    const { id, secret } = ok(await this.begin(operator.token, { name: "Phone", password: OPERATOR_PASSWORD })).body;
    const { recovery_codes: codes, signed_in } = ok(await this.confirm(operator.token, id, totpCode(secret))).body;
    assert.deepEqual([codes.length, signed_in.state], [10, "signed_in"]);
    return { ...operator, token: signed_in.access_token, secret, factor: id, codes };
  }

  /** A code that was not used yet: the last one is forgotten, as if time had passed. */
  async freshCode(secret: string): Promise<string> {
    await this.sql`update platform.operator_factors set counter = 0`;
    return totpCode(secret);
  }

  /** Events of a type that tell of an operator, the newest first. */
  async events(type: string, operator: string) {
    return [
      ...await this.sql`select actor, data from platform.events
        where type = ${type} and data->>'operator' = ${operator} order by id desc`,
    ];
  }

  /** Forgets all failures. */
  async forgetFailures(): Promise<void> {
    await this.sql`delete from platform.login_failures`;
  }
}

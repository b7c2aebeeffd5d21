// Two tenants over two processes for tests of API keys: making them, showing them, and what a refusal looks like.
import assert from "node:assert/strict";
import { type Answer, bootApp, type TestApp, type TestProcess, type TestTenant } from "../support/app.ts";

export const loose = { sanitizeOps: false, sanitizeResources: false };
export const LOOK = { buildings: ["view"] };
export const BUILDING = { name: "Tower", address: "1 King St", city: "Toronto", country: "CA" };

/** A key as the answer that made it shows it. */
export interface Made {
  id: string;
  key: string;
  hint: string;
  [field: string]: unknown;
}

export const byBearer = (key: string) => ({ authorization: `Bearer ${key}` });
export const byHeader = (key: string) => ({ "x-api-key": key });

/** Asserts a refusal. */
export function refused(answer: Pick<Answer, "status" | "body">, expected: string): void {
  assert.equal(`${answer.status} ${answer.body?.code}`, expected, JSON.stringify(answer.body));
}

/** The platform of a test file. */
export class Keyed {
  private constructor(
    readonly app: TestApp,
    readonly other: TestProcess,
    readonly tenant: TestTenant,
    readonly foreign: TestTenant,
  ) {}

  static async boot(): Promise<Keyed> {
    const app = await bootApp({ env: { LIMIT_TENANT_PER_MINUTE: "100000" } });
    return new Keyed(app, await app.secondProcess(), await app.tenant("keyed"), await app.tenant("keyed-other"));
  }

  async end(): Promise<void> {
    await this.other.stop();
    await this.app.stop();
  }

  /** Makes a key that may look at buildings, unless the body says otherwise. */
  make = async (body: Record<string, unknown> = {}, token = this.tenant.admin): Promise<Made> => {
    const wanted = { name: "Test", permissions: LOOK, ...body };
    const answer = await this.app.ask("POST", "/v1/api-keys", { token, body: wanted });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return answer.body;
  };

  /** Reads with these headers. */
  list = (headers: Record<string, string>, at: TestProcess = this.app, path = "/v1/buildings") =>
    at.ask("GET", path, { headers });
}

// People for tests of signing in: on one platform, with real mail; what a person does over HTTP, and a look behind the curtain.
import assert from "node:assert/strict";
import { type Answer, bootApp, MEMBER_PASSWORD, type TestApp, type TestTenant } from "../support/app.ts";
import { adminSql } from "../support/postgres.ts";

export const loose = { sanitizeOps: false, sanitizeResources: false };
export const PASSWORD = MEMBER_PASSWORD;
export const NEW_PASSWORD = "seven grey herons wading";

type Sql = Awaited<ReturnType<typeof adminSql>>;

/** A platform and what people do on it. */
export class People {
  private constructor(readonly app: TestApp, readonly platform: Sql, readonly shared: Sql) {}

  static async boot(env?: Record<string, string>): Promise<People> {
    const app = await bootApp({ env });
    const { platformDatabase, sharedDatabase } = app.services.servers.settings;
    return new People(app, await adminSql(platformDatabase), await adminSql(sharedDatabase));
  }

  async end(): Promise<void> {
    await this.platform.end();
    await this.shared.end();
    await this.app.stop();
  }

  /** Tries to sign in. */
  login(slug: string, email: string, password = PASSWORD, more: Record<string, unknown> = {}): Promise<Answer> {
    return this.app.ask("POST", "/v1/auth/login", { tenant: slug, body: { email, password, ...more } });
  }

  /** Signs in; the answer's body. */
  // deno-lint-ignore no-explicit-any -- the answer has four shapes
  async enter(slug: string, email: string, password = PASSWORD): Promise<any> {
    return ok(await this.login(slug, email, password)).body;
  }

  refresh(slug: string, refresh_token: string): Promise<Answer> {
    return this.app.ask("POST", "/v1/auth/refresh", { tenant: slug, body: { refresh_token } });
  }

  post(path: string, token: string | undefined, body: unknown = undefined, tenant?: string): Promise<Answer> {
    return this.app.ask("POST", path, { token, body, tenant });
  }

  /** Whether an access token still opens the tenant's rows. */
  async works(token: string, app: Pick<TestApp, "ask"> = this.app): Promise<boolean> {
    const { status, body } = await app.ask("GET", "/v1/auth/me", { token });
    assert.ok(status === 200 || status === 401, JSON.stringify(body));
    return status === 200;
  }

  /** Texts of all mails to an address, the newest first. */
  async mails(to: string): Promise<string[]> {
    const { body } = await this.app.ask("GET", "/dev/mail", { headers: { accept: "application/json" } });
    return body.items.filter((mail: { to: string }) => mail.to === to).map((mail: { subject: string; text: string }) =>
      `${mail.subject}\n${mail.text}`
    );
  }

  /** The token of the newest link that was mailed to an address after the first `before` mails. */
  async mailedToken(to: string, before = 0): Promise<string> {
    return await this.app.until(`a mail to ${to}`, async () => {
      const mails = await this.mails(to);
      const news = mails.slice(0, mails.length - before);
      return news.map((mail) => /token=([\w.-]+)/.exec(mail)?.[1]).find((token) => token);
    });
  }

  /** Adds a member and gives the link's token. */
  async invite(tenant: TestTenant, email: string, role = "member"): Promise<string> {
    const before = (await this.mails(email)).length;
    const body = { first_name: "Ida", last_name: "Invited", email, role };
    ok(await this.post("/v1/members", tenant.admin, body), 201);
    return await this.mailedToken(email, before);
  }

  /** Makes somebody a member who sets the password, or gives the one of the account. */
  async join(tenant: TestTenant, email: string, password = PASSWORD): Promise<void> {
    const token = await this.invite(tenant, email);
    ok(await this.post("/v1/auth/setup-password", undefined, { token, password }, tenant.slug), 204);
  }

  /** Lets whoever waits try again at once, as if the time were over. */
  async waitIsOver(): Promise<void> {
    await this.platform`update platform.login_failures set locked_until = now()`;
  }

  /** Forgets all failures. */
  async forgetFailures(): Promise<void> {
    await this.platform`delete from platform.login_failures`;
  }
}

/** Asserts a success. */
export function ok(answer: Answer, status = 200): Answer {
  assert.equal(answer.status, status, JSON.stringify(answer.body));
  return answer;
}

/** Asserts a refusal. */
export function refused(answer: Answer, expected: string): Answer {
  assert.equal(`${answer.status} ${answer.body?.code}`, expected, JSON.stringify(answer.body));
  return answer;
}

/** Everything that an answer tells but the request's id and the time. */
export function told({ status, headers, body }: Answer) {
  const { request_id: _, ...rest } = body;
  const quiet = ["date", "x-request-id", "ratelimit", "ratelimit-remaining", "ratelimit-reset"];
  return { status, body: rest, headers: [...headers].filter(([name]) => !quiet.includes(name)) };
}

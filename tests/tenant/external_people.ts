// A platform, a real OpenID provider and two tenants, for tests of signing in at other issuers and with their tokens.
import assert from "node:assert/strict";
import { type Answer, bootApp, type TestApp, type TestTenant } from "../support/app.ts";
import { type OidcAccount, type OidcProvider, startOidcProvider } from "../support/oidc_provider.ts";
import { ok } from "./auth_people.ts";

export const SECRET = "the client's secret, of 32 characters";

/** Everybody that the provider knows; `id` is `sub`. */
const ACCOUNTS: OidcAccount[] = [
  { id: "ada", email: "ada@corp.test", emailVerified: true, name: "Ada von Lovelace" },
  { id: "ada-2", email: "ada@corp.test", emailVerified: true, name: "Another Ada" },
  { id: "bob", email: "bob@corp.test", emailVerified: true, name: "Bob" },
  { id: "cleo", email: "cleo@corp.test", emailVerified: true, name: "Cleo Corp" },
  { id: "eve", email: "ada@corp.test", emailVerified: false, name: "Eve" },
  { id: "fay", email: "fay@corp.test", emailVerified: false, name: "Fay" },
  { id: "out", email: "out@elsewhere.test", emailVerified: true, name: "Out Side" },
  { id: "nobody" },
];

/** The platform, the provider and what people do. */
export class Outside {
  private constructor(
    readonly app: TestApp,
    readonly provider: OidcProvider,
    readonly tenant: TestTenant,
    readonly other: TestTenant,
  ) {}

  static async boot(name: string): Promise<Outside> {
    const app = await bootApp();
    const [tenant, other] = [await app.tenant(`${name}-in`), await app.tenant(`${name}-other`)];
    const redirect_uris = [tenant, other].map(({ slug }) =>
      `${app.services.publicUrl}/t/${slug}/v1/auth/oidc/callback`
    );
    const client = { client_id: "bulkhead", client_secret: SECRET, redirect_uris };
    const provider = await startOidcProvider({ clients: [client], accounts: ACCOUNTS });
    return new Outside(app, provider, tenant, other);
  }

  async end(): Promise<void> {
    await this.provider.stop();
    await this.app.stop();
  }

  /** Lets a tenant trust the provider; gives the row. */
  async trust(of: TestTenant, more: Record<string, unknown> = {}) {
    const body = {
      name: "Corporate sign-in",
      issuer: this.provider.issuer,
      client_id: "bulkhead",
      client_secret: SECRET,
      audience: "app",
      ...more,
    };
    return ok(await this.app.ask("POST", "/v1/identity-providers", { token: of.admin, body }), 201).body;
  }

  async change(of: TestTenant, id: string, body: Record<string, unknown>) {
    return ok(await this.app.ask("PATCH", `/v1/identity-providers/${id}`, { token: of.admin, body })).body;
  }

  /** Begins a sign-in and goes to the provider and back: the answer that the page gets. */
  async fetchAnswer(of: TestTenant, providerId: string, account: string) {
    const begun = ok(
      await this.app.ask("POST", "/v1/auth/oidc/start", { tenant: of.slug, body: { provider: providerId } }),
    ).body;
    const back = new URL(await this.provider.login(begun.url, account));
    assert.equal(back.origin, new URL(this.app.services.publicUrl).origin);
    const { answer } = ok(await this.app.ask("GET", back.pathname + back.search)).body;
    return { answer: answer as string, sign_in_token: begun.sign_in_token as string };
  }

  finish(of: TestTenant, body: Record<string, unknown>): Promise<Answer> {
    return this.app.ask("POST", "/v1/auth/oidc/finish", { tenant: of.slug, body });
  }

  async signIn(of: TestTenant, providerId: string, account: string): Promise<Answer> {
    return await this.finish(of, await this.fetchAnswer(of, providerId, account));
  }

  me(of: TestTenant | null, token: string): Promise<Answer> {
    return this.app.ask("GET", "/v1/auth/me", { token, ...(of && { tenant: of.slug }) });
  }

  // deno-lint-ignore no-explicit-any -- members as the API shows them
  async members(of: TestTenant, email: string): Promise<any[]> {
    return ok(await this.app.ask("GET", `/v1/members?search=${email}`, { token: of.admin })).body.items;
  }
}

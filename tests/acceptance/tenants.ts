// From an application to a signed-in administrator, over HTTP, as an applicant and an operator would do it.
import assert from "node:assert/strict";
import type { Client } from "./client.ts";
import { type RunFile, until } from "./platform.ts";

/** The password of every administrator in these tests. */
export const PASSWORD = "three words and a comma,";

/** A tenant with its signed-in administrator. */
export interface Tenant {
  id: string;
  slug: string;
  tier: string;
  email: string;
  token: string;
  refreshToken: string;
  /** The setup token, which is used. */
  setupToken: string;
  applicationId: string;
}

/** What an organisation sends. */
export function application(slug: string, tier: string, run?: RunFile): Record<string, unknown> {
  return {
    organization_name: `Organisation of ${slug}`,
    slug,
    contact_first_name: "Olga",
    contact_last_name: "Owner",
    contact_email: `olga@${slug.toLowerCase()}.test`,
    tier,
    time_zone: "America/Toronto",
    locale: "fr-CA",
    currency: "CAD",
    ...(tier === "byo" && { byo: run?.customer }),
  };
}

/** Signs the first operator in. */
export async function signInOperator(client: Client, run: RunFile): Promise<string> {
  const { access_token } = await client.expect(200, "POST", "/v1/operators/login", { body: run.operator });
  return access_token;
}

/** Applies, is approved, waits until the tenant works, sets the password by the mailed link, signs in. */
export async function becomeTenant(client: Client, run: RunFile, slug: string, tier: string): Promise<Tenant> {
  const operator = await signInOperator(client, run);
  const submitted = await client.expect(201, "POST", "/v1/applications", { body: application(slug, tier, run) });
  assert.deepEqual([submitted.status, submitted.requested_tier], ["submitted", tier]);
  const path = `/v1/applications/${submitted.id}`;
  await client.expect(202, "POST", `${path}/approve`, { token: operator, body: { tier, notes: "Known to us" } });
  const done = await until(`the tenant "${slug}"`, async () => {
    const shown = await client.expect(200, "GET", path, { token: operator });
    assert.notEqual(shown.status, "failed", JSON.stringify(shown));
    return shown.status === "provisioned" && shown;
  });
  assert.equal(done.review_notes, "Known to us");
  const email = `olga@${slug}.test`;
  const setupToken = await client.mailedToken(email);
  await client.expect(204, "POST", "/v1/auth/setup-password", {
    tenant: slug,
    body: { token: setupToken, password: PASSWORD },
  });
  const { access_token, refresh_token } = await signIn(client, slug, email);
  return {
    id: done.tenant_id,
    slug,
    tier,
    email,
    setupToken,
    token: access_token,
    refreshToken: refresh_token,
    applicationId: submitted.id,
  };
}

/** Signs a member in; gives the tokens. */
export async function signIn(client: Client, tenant: string, email: string, password = PASSWORD) {
  return await client.expect(200, "POST", "/v1/auth/login", { tenant, body: { email, password } });
}

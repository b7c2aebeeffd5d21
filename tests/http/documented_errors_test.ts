// What the OpenAPI document says of refusals: ways in are mostly refused with 401, and it says so, in the words of each.
import assert from "node:assert/strict";
import { freshTenant } from "../../src/testing/mod.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
const token = "x".repeat(43);

/** Requests that are refused, and the title of the error that each is. */
const WAYS_IN: [string, string, unknown][] = [
  ["auth.login", "/v1/auth/login", { email: "nobody@x.test", password: "not the password" }],
  ["auth.refresh", "/v1/auth/refresh", { refresh_token: `bhr_${crypto.randomUUID()}_${token}` }],
  ["auth.secondFactor", "/v1/auth/mfa", { mfa_token: `bhm_${token}`, code: "123456" }],
  ["auth.setupPassword", "/v1/auth/setup-password", { token: `bhp_${token}`, password: "a long new passphrase" }],
  ["auth.resetPassword", "/v1/auth/reset-password", { token: `bhp_${token}`, password: "a long new passphrase" }],
  ["auth.impersonate", "/v1/auth/impersonate", { token: `bhv_${token}` }],
  ["invitations.show", "/v1/invitations/show", { token: `bhn_${token}` }],
  ["auth.oidcFinish", "/v1/auth/oidc/finish", { answer: `state=${token}&code=x`, sign_in_token: `bho_${token}` }],
  ["auth.oidcCallback", `/v1/auth/oidc/callback?state=${token}&code=x`, undefined],
  ["operators.login", "/v1/operators/login", { email: "nobody@x.test", password: "not the password" }],
];

Deno.test("the OpenAPI document lists the refusals of the ways in, and a callback's redirect", loose, async (t) => {
  const tenant = await freshTenant();
  const document = await (await tenant.fetch("/openapi.json", { role: null })).json();
  // deno-lint-ignore no-explicit-any -- a document of every shape
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path as Record<string, any>));
  const answersOf = (id: string) => operations.find(({ operationId }) => operationId === id).responses;
  for (const [operation, path, json] of WAYS_IN) {
    await t.step({
      name: operation,
      ...loose,
      fn: async () => {
        const answer = await tenant.fetch(path, { role: null, headers: { "x-tenant": tenant.slug }, json });
        const problem = await answer.json();
        assert.equal(answer.status, 401, JSON.stringify(problem));
        assert.ok(answersOf(operation)[401]?.description.split("; ").includes(problem.title), problem.title);
      },
    });
  }
  assert.ok(answersOf("invitations.accept")[401]);
  assert.ok(answersOf("auth.oidcCallback")[303].headers.location);
  assert.equal(answersOf("auth.forgotPassword")[401], undefined, "it refuses nobody");
});

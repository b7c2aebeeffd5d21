// Which keys operators' tokens are signed with and accepted by is a setting, so that they can be renewed without signing
// anybody out.
import assert from "node:assert/strict";
import { readConfig } from "../../src/config.ts";
import { createTokens } from "../../src/identity/tokens.ts";
import { bootApp } from "../support/app.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };

Deno.test("OPERATOR_SIGNING_KEYS says which key signs and which are accepted", loose, async () => {
  const app = await bootApp({ env: { OPERATOR_SIGNING_KEYS: "2,1" } });
  try {
    const { servers, tokens } = app.services;
    const only = (version: number) => createTokens(servers.masterKey, { issuer: "bulkhead", versions: [version] });
    const signedIn = await app.operator();
    const principal = await tokens.verify(signedIn);
    assert.ok(principal.kind === "operator");
    assert.equal((await only(2).verify(signedIn)).kind, "operator");
    await assert.rejects(only(1).verify(signedIn), { code: "unauthorized" });
    for (const [version, status] of [[1, 200], [2, 200], [3, 401]] as const) {
      const token = await only(version).issueOperator(principal);
      assert.equal((await app.ask("GET", "/v1/tenants", { token })).status, status, `version ${version}`);
    }
  } finally {
    await app.stop();
  }
});

Deno.test("OPERATOR_SIGNING_KEYS takes a list of versions and nothing else", () => {
  assert.deepEqual(readConfig({}).OPERATOR_SIGNING_KEYS, [1]);
  assert.deepEqual(readConfig({ OPERATOR_SIGNING_KEYS: "12,3" }).OPERATOR_SIGNING_KEYS, [12, 3]);
  for (const wrong of ["0", "1,", ",1", "1, 2", "-1", "1.5", "one", "01"]) {
    assert.throws(() => readConfig({ OPERATOR_SIGNING_KEYS: wrong }), /OPERATOR_SIGNING_KEYS/, wrong);
  }
});

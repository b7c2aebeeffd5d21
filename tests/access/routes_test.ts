// The access matrix of the API, generated from its own document: every operation × {no token, malformed, expired, foreign
// and forged tokens, another tenant's member by every way to name a tenant, the other plane's people, wrong roles, a
// closed tenant}. Each is refused with its status and code, and nothing of the victim is changed.
import assert from "node:assert/strict";
import { createApp } from "../../src/app.ts";
import { platformHosts } from "../../src/services.ts";
import type { Answer } from "../support/app.ts";
import { allRoles, bearer, Callers, refused } from "./callers.ts";
import { type Permission, PERMISSIONS, type Permissions } from "../../src/identity/permissions.ts";
import type { Operation } from "../../src/prove/operations.ts";
import { wrongTokens } from "./tokens.ts";

/** What anyone may call. A route that becomes open by accident is not in this list. */
const OPEN = [
  "applications.submit",
  "auth.forgotPassword",
  "auth.impersonate",
  "auth.login",
  "auth.oidcCallback",
  "auth.oidcFinish",
  "auth.oidcStart",
  "auth.passkey",
  "auth.passkeyOptions",
  "auth.providers",
  "auth.refresh",
  "auth.resetPassword",
  "auth.secondFactor",
  "auth.setupPassword",
  "health.live",
  "health.ready",
  "invitations.accept",
  "invitations.show",
  "operators.login",
  "operators.secondFactor",
  "operators.setPassword",
  "signing_keys.publish",
  "slugs.check",
];

/** What is served beside the document's operations: pages without data, the same for everyone. */
const PAGES = [
  "ALL /*", // the guard for browsers, which every request passes
  "GET /assets/accept.js",
  "GET /assets/setup.css",
  "GET /assets/setup.js",
  "GET /docs",
  "GET /docs/:asset",
  "GET /docs/start.js",
  "GET /openapi.json",
  "GET /operators/set-password",
  "GET /t/:slug/accept-invitation",
  "GET /t/:slug/reset-password",
  "GET /t/:slug/setup-password",
];

let callers: Callers;
Deno.test.beforeAll(async () => {
  callers = await Callers.gather();
});
Deno.test.afterAll(() => callers?.end());

const loose = { sanitizeOps: false, sanitizeResources: false };

/** Goes through operations, a step each; nothing of the victim may change. */
async function each(t: Deno.TestContext, chosen: Operation[], work: (operation: Operation) => Promise<void>) {
  assert.ok(chosen.length > 0);
  const before = await callers.everything();
  for (const operation of chosen) await t.step({ name: operation.id, ...loose, fn: () => work(operation) });
  assert.deepEqual(await callers.everything(), before);
}

const forMembers = () => callers.operations.filter(({ audience }) => audience === "members");
const forOperators = () => callers.operations.filter(({ audience }) => audience === "operators");
const inTenants = () => callers.operations.filter(({ inTenant }) => inTenant);

Deno.test("the operations that anyone may call are these and no others", () => {
  assert.deepEqual(callers.operations.filter(({ audience }) => audience === "anyone").map(({ id }) => id).sort(), OPEN);
  assert.ok(forMembers().every(({ inTenant }) => inTenant) && forOperators().every(({ inTenant }) => !inTenant));
});

Deno.test("nothing is served that the document does not tell of, but a few pages", () => {
  const { config, publicUrl } = callers.app.services;
  const { routes } = createApp(callers.app.services, platformHosts(config, publicUrl));
  const told = callers.operations.flatMap(({ method, path, inTenant }) => {
    const plain = `${method} ${path.replace(/\{(\w+)\}/g, ":$1")}`;
    return inTenant ? [plain, plain.replace(" ", " /t/:tenant_slug")] : [plain];
  });
  const served = [...new Set(routes.map(({ method, path }) => `${method} ${path}`))];
  assert.deepEqual(served.filter((one) => !told.includes(one)).sort(), PAGES);
  assert.deepEqual(told.filter((one) => !served.includes(one)), []);
});

Deno.test("members' operations refuse every token that is not one of ours", loose, async (t) => {
  const claims = {
    sub: crypto.randomUUID(),
    tid: callers.victim.id,
    sid: crypto.randomUUID(),
    role: "admin",
    ver: 1,
    auth_time: 0,
  };
  const wrong = await wrongTokens(
    callers.app.services.servers.masterKey,
    "tenant",
    claims,
    await callers.memberToken("admin"),
  );
  await each(t, forMembers(), async (operation) => {
    refused(await callers.send(operation), 401, "unauthorized", "no header");
    refused(
      await callers.send(operation, { "x-tenant": callers.victim.slug }),
      401,
      "unauthorized",
      "no header, tenant named",
    );
    for (const [name, { authorization, code }] of Object.entries(wrong)) {
      refused(await callers.send(operation, { authorization }), 401, code, name);
    }
  });
});

Deno.test("operators' operations refuse every token that is not one of ours", loose, async (t) => {
  const claims = { sub: crypto.randomUUID(), email: "x@example.test", role: "superadmin", ver: 1 };
  const wrong = await wrongTokens(
    callers.app.services.servers.masterKey,
    "platform",
    claims,
    await callers.operatorToken("superadmin"),
  );
  await each(t, forOperators(), async (operation) => {
    refused(await callers.send(operation), 401, "unauthorized", "no header");
    for (const [name, { authorization, code }] of Object.entries(wrong)) {
      refused(await callers.send(operation, { authorization }), 401, code, name);
    }
  });
});

Deno.test("members' operations refuse another tenant's member, however the victim is named", loose, async (t) => {
  const token = bearer(callers.attacker.admin);
  const { BASE_DOMAIN } = callers.app.services.config;
  await each(t, forMembers(), async (operation) => {
    const ways: [string, Record<string, string>, string?][] = [
      ["X-Tenant, slug", { "x-tenant": callers.victim.slug }],
      ["X-Tenant, id", { "x-tenant": callers.victim.id }],
      ["X-Tenant, capitals", { "x-tenant": callers.victim.slug.toUpperCase() }],
      ["path", {}, `/t/${callers.victim.slug}`],
      ["path and X-Tenant", { "x-tenant": callers.attacker.slug }, `/t/${callers.victim.slug}`],
      ["X-Tenant and path", { "x-tenant": callers.victim.slug }, `/t/${callers.attacker.slug}`],
    ];
    for (const [name, headers, prefix] of ways) {
      refused(await callers.send(operation, { ...token, ...headers }, prefix), 403, "tenant_mismatch", name);
    }
    const host = await callers.sendTo(`${callers.victim.slug}.${BASE_DOMAIN}`, operation, callers.attacker.admin);
    refused(host, 403, "tenant_mismatch", "host");
    const twice = await callers.send(operation, {
      ...token,
      "x-tenant": `${callers.attacker.slug}, ${callers.victim.slug}`,
    });
    refused(twice, 400, "invalid_request", "two tenants in one header");
    if (!operation.path.includes("{id}")) return;
    refused(await callers.send(operation, token), 404, "not_found", "a foreign id, in one's own tenant");
    refused(
      await callers.send(operation, token, `/t/${callers.attacker.slug}`),
      404,
      "not_found",
      "a foreign id, below one's own path",
    );
  });
});

Deno.test("a foreign id and a missing one give the same answer", loose, async (t) => {
  const token = bearer(callers.attacker.admin);
  const about = forMembers().filter(({ path }) => path.includes("{id}"));
  const told = ({ body: { request_id: _, ...rest }, headers }: Answer) => ({
    ...rest,
    headers: [...headers.keys()].filter((name) => name !== "date").sort(),
  });
  await each(t, about, async (operation) => {
    const foreign = await callers.send(operation, token);
    const path = operation.path.replace("{id}", crypto.randomUUID());
    assert.deepEqual(told(foreign), told(await callers.send({ ...operation, path }, token)));
  });
});

Deno.test("each plane's operations refuse the other plane's people", loose, async (t) => {
  const superadmin = await callers.operatorToken("superadmin");
  await each(t, forMembers(), async (operation) => {
    const ways: [Record<string, string>, string?][] = [[{}], [{ "x-tenant": callers.victim.slug }], [
      {},
      `/t/${callers.victim.slug}`,
    ]];
    for (const [headers, prefix] of ways) {
      refused(
        await callers.send(operation, { ...bearer(superadmin), ...headers }, prefix),
        403,
        "forbidden",
        "an operator",
      );
    }
  });
  await each(t, forOperators(), async (operation) => {
    for (const token of [callers.victim.admin, callers.attacker.admin]) {
      refused(await callers.send(operation, bearer(token)), 403, "forbidden", "a tenant's admin");
    }
  });
});

Deno.test("operators' operations refuse every role that is not theirs", loose, async (t) => {
  const roles = [...await allRoles(callers.platform, "platform.operators"), "admin", "Superadmin"];
  const limited = forOperators().filter((operation) => operation.roles !== null);
  await each(t, limited, async (operation) => {
    for (const role of roles.filter((role) => !operation.roles!.includes(role))) {
      refused(await callers.send(operation, bearer(await callers.operatorToken(role))), 403, "forbidden", role);
    }
  });
});

Deno.test("members' operations refuse who holds every permission but the one they need", loose, async (t) => {
  const limited = forMembers().filter((operation) => operation.permission !== null);
  assert.ok(limited.length >= 20);
  const others: Record<string, Permissions> = { nothing: {}, "an unknown resource": { everything: ["*"] } };
  await callers.asRole("limited", async () => {
    await each(t, limited, async (operation) => {
      const all = { ...others, "all but it": allBut(operation.permission as Permission) };
      for (const [what, permissions] of Object.entries(all)) {
        await callers.setRole("limited", permissions);
        const token = await callers.memberToken("limited", permissions);
        refused(await callers.send(operation, bearer(token)), 403, "forbidden", what);
      }
      await callers.setRole("limited", {});
    });
  });
});

/** Every permission there is, each by its name, without one. */
function allBut(permission: Permission): Permissions {
  const [resource, action] = permission.split(".");
  return Object.fromEntries(
    Object.entries(PERMISSIONS).map((
      [name, actions],
    ) => [name, actions.filter((one) => name !== resource || one !== action)]),
  );
}

Deno.test("a tenant that the platform closed is shut for its own people too", loose, async (t) => {
  const { directory } = callers.app.services;
  const set = async (status: string) => {
    await callers.platform`update platform.tenants set status = ${status} where id = ${callers.victim.id}`;
    directory.forget(callers.victim.id);
    await directory.bySlug(callers.attacker.slug);
  };
  const token = bearer(await callers.memberToken("admin"));
  for (const status of ["suspended", "blocked", "inactive", "maintenance"]) {
    await set(status);
    try {
      await t.step({
        name: status,
        ...loose,
        fn: (inner) =>
          each(inner, inTenants(), async (operation) => {
            const headers = operation.audience === "members" ? token : {};
            refused(
              await callers.send(operation, headers, `/t/${callers.victim.slug}`),
              403,
              "tenant_unavailable",
              "by path",
            );
            refused(
              await callers.send(operation, { ...headers, "x-tenant": callers.victim.id }),
              403,
              "tenant_unavailable",
              "by id",
            );
          }),
      });
    } finally {
      await set("active");
    }
  }
});

Deno.test("a closed gate shuts a tenant where the platform does not know yet", loose, async (t) => {
  const gate = (open: boolean) =>
    callers.place.admin`update app.gates set open = ${open} where tenant_id = ${callers.victim.id}`;
  const token = bearer(await callers.memberToken("admin"));
  await gate(false);
  try {
    // What anyone may call asks the platform first, which refuses a wrong password or link before the tenant is entered.
    await each(t, forMembers(), async (operation) => {
      refused(await callers.send(operation, token, `/t/${callers.victim.slug}`), 403, "tenant_unavailable", "gate");
    });
  } finally {
    await gate(true);
  }
});

Deno.test("operations let in whom they are for", loose, async (t) => {
  const superadmin = await callers.app.operator();
  // Not by the victim, since it changes things; and what ends the session comes last.
  const ending = ({ id }: Operation) => ["auth.changePassword", "auth.logout"].indexOf(id);
  for (const operation of [...forMembers(), ...forOperators()].sort((a, b) => ending(a) - ending(b))) {
    await t.step({
      name: operation.id,
      ...loose,
      fn: async () => {
        const answer = await callers.send(
          operation,
          bearer(operation.audience === "members" ? callers.attacker.admin : superadmin),
        );
        const refusal = [401, 403].includes(answer.status) ? answer.body.code : null;
        const expected = operation.id === "visits.leave" ? "forbidden" : "invalid_credentials"; // for visitors; no password
        assert.ok(refusal === null || refusal === expected, JSON.stringify(answer.body));
        assert.ok(answer.status < 500, JSON.stringify(answer.body));
      },
    });
  }
  console.log(
    `    ${callers.operations.length} operations, ${callers.calls} calls: 0 let through, 0 changes to the victim`,
  );
});

// Limits of addresses: harder where secrets could be guessed, over all processes, and whose address it is that counts.
// Two edges are the processes, since a test says there which connection a request came over.
import assert from "node:assert/strict";
import { readConfig } from "../../src/config.ts";
import { createEdge } from "../../src/edge.ts";
import { newApiKey } from "../../src/identity/api_keys.ts";
import { bootApp, MASTER_KEY, OPERATOR, type TestApp } from "../support/app.ts";
import { adminSql } from "../support/postgres.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
const STRICT = 20;
const ANONYMOUS = 150;
let app: TestApp;
Deno.test.beforeAll(async () => void (app = await bootApp()));
Deno.test.afterAll(() => app.stop());

/** What a test asks of an edge, over a connection of its choice. */
interface Asked {
  /** Which of the two edges: the one that trusts no proxy, or the one that trusts one. */
  edge?: 0 | 1;
  path?: string;
  body?: unknown;
  forwarded?: string;
  headers?: Record<string, string>;
}
type Fetch = (hostname: string, asked?: Asked) => Promise<Response>;

/** Two processes more, where a test says which connection a request came over. */
async function withEdges(work: (fetch: Fetch) => Promise<void>): Promise<void> {
  const { host, port, platformDatabase } = app.services.servers.settings;
  const edges = ["0", "1"].map((proxies) =>
    createEdge(readConfig({
      LIMIT_ANONYMOUS_PER_MINUTE: String(ANONYMOUS),
      LIMIT_STRICT_PER_MINUTE: String(STRICT),
      DATABASE_URL: `postgres://${host}:${port}/${platformDatabase}`,
      BULKHEAD_MASTER_KEY: MASTER_KEY,
      PUBLIC_URL: "https://api.example.test",
      TRUSTED_PROXIES: proxies,
      LOG_LEVEL: "silent",
    }))
  );
  try {
    await work(async (hostname, { edge = 0, path = "/v1/slugs/free-slug", body, forwarded, headers: more } = {}) => {
      const headers: HeadersInit = forwarded ? { ...more, "x-forwarded-for": forwarded } : { ...more };
      const init = body ? { method: "POST", body: JSON.stringify(body) } : {};
      const request = new Request(`https://api.example.test${path}`, {
        ...init,
        headers: { ...headers, ...(body ? { "content-type": "application/json" } : {}) },
      });
      const response = await edges[edge].fetch(request, { remoteAddr: { transport: "tcp", hostname, port: 1 } });
      await response.body?.cancel();
      return response;
    });
  } finally {
    for (const edge of edges) await edge.stop();
  }
}

/** How many of so many requests at once are refused. */
async function refusals(count: number, ask: (i: number) => Promise<Response>): Promise<number> {
  const all = await Promise.all(Array.from({ length: count }, (_, i) => ask(i)));
  return all.filter(({ status }) => status === 429).length;
}

const process = (i: number) => (i % 2) as 0 | 1;

Deno.test("signing in is limited harder than other open routes, by address and over all processes", loose, async () => {
  await withEdges(async (fetch) => {
    const path = "/v1/operators/login";
    // Each at somebody else: after five at one, that account would have to wait.
    const guess = (i: number) => ({ email: `somebody-${i}@example.test`, password: "guess after guess" });
    const refused = await refusals(60, (i) => fetch("198.51.100.20", { edge: process(i), path, body: guess(i) }));
    assert.equal(refused, 60 - STRICT);
    const right = await fetch("198.51.100.20", { path, body: OPERATOR });
    assert.equal(right.status, 429, "a right guess after too many wrong ones");
    assert.equal(right.headers.get("ratelimit-limit"), String(STRICT));
    assert.match(right.headers.get("ratelimit-policy") ?? "", /"strict";q=20;w=60/);
    assert.equal((await fetch("198.51.100.20")).status, 200, "other routes of the address go on");
    assert.equal(
      (await fetch("198.51.100.21", { path, body: OPERATOR })).status,
      200,
      "another address is not touched",
    );
  });
});

Deno.test("open routes are limited by address over all processes; health always answers", loose, async () => {
  await withEdges(async (fetch) => {
    assert.equal(await refusals(400, (i) => fetch("198.51.100.30", { edge: process(i) })), 400 - ANONYMOUS);
    const { status, headers } = await fetch("198.51.100.30", { path: "/health" });
    assert.deepEqual([status, headers.has("ratelimit-limit")], [200, false]);
  });
});

Deno.test(
  "X-Forwarded-For counts only where proxies are trusted, and then only the part that they wrote",
  loose,
  async () => {
    await withEdges(async (fetch) => {
      const spoofed = await refusals(200, (i) => fetch("198.51.100.1", { forwarded: `203.0.113.${i}` }));
      assert.equal(spoofed, 200 - ANONYMOUS, "a header that anybody can write gave new allowances");
      assert.equal((await fetch("198.51.100.2")).status, 200);
      const behind = (forwarded: string, socket = "192.0.2.1") => fetch(socket, { edge: 1, forwarded });
      assert.equal(
        await refusals(200, (i) => behind(`203.0.113.${i}`)),
        0,
        "callers behind a proxy shared an allowance",
      );
      assert.equal(await refusals(200, (i) => behind(`10.0.0.${i}, 203.0.113.250`)), 200 - ANONYMOUS);
      const broken = await refusals(200, (i) => behind(`caller-${i}`, "192.0.2.2"));
      assert.equal(broken, 200 - ANONYMOUS, "what is no address gave new allowances");
    });
  },
);

Deno.test(
  "an IPv6 network of /64 is limited as one, another one is not touched, IPv4 in IPv6 is IPv4",
  loose,
  async () => {
    await withEdges(async (fetch) => {
      assert.equal(await refusals(200, (i) => fetch(`2001:db8:0:7::${i.toString(16)}`)), 200 - ANONYMOUS);
      assert.equal((await fetch("2001:db8:0:8::1")).status, 200);
      const mixed = await refusals(200, (i) => fetch(i % 2 ? "::ffff:198.51.100.9" : "198.51.100.9"));
      assert.equal(mixed, 200 - ANONYMOUS);
    });
  },
);

Deno.test("what is no token and no key counts against its address, and what is one does not", loose, async () => {
  const tenant = await app.tenant("shown");
  const asking = { token: tenant.admin, body: { name: "K", permissions: { buildings: ["view"] } } };
  const { key } = (await app.ask("POST", "/v1/api-keys", asking)).body;
  const path = `/t/${tenant.slug}/v1/buildings`;
  const bearer = (text: string) => ({ authorization: `Bearer ${text}` });
  const nobodys: Record<string, string>[] = [
    {},
    bearer("a.b.c"),
    bearer(`${tenant.admin.slice(0, -4)}AAAA`),
    bearer(`${key.slice(0, -1)}${key.endsWith("0") ? "1" : "0"}`),
    { "x-api-key": "none" },
    { authorization: "Basic none" },
  ];
  const somebodys = [bearer(tenant.admin), bearer(key), { "x-api-key": key }];
  await withEdges(async (fetch) => {
    const shown = (i: number) => ({ edge: process(i), path, headers: nobodys[i % nobodys.length] });
    const answers = await Promise.all(Array.from({ length: 240 }, (_, i) => fetch("198.51.100.40", shown(i))));
    const statuses = answers.map(({ status }) => status);
    const count = (wanted: number) => statuses.filter((status) => status === wanted).length;
    assert.deepEqual([count(401), count(429)], [ANONYMOUS, 240 - ANONYMOUS]);
    for (const { status, headers } of answers) {
      assert.equal(headers.get("ratelimit-policy"), `"address";q=${ANONYMOUS};w=60`);
      assert.equal(headers.has("retry-after"), status === 429);
    }
    assert.equal(
      (await fetch("198.51.100.40", { path, headers: somebodys[0] })).status,
      200,
      "a token at that address",
    );
    for (let i = 0; i < 30; i++) {
      const { status } = await fetch("198.51.100.41", { edge: process(i), path, headers: somebodys[i % 3] });
      assert.equal(status, 200);
    }
    const first = await fetch("198.51.100.41", { path, headers: nobodys[1] });
    assert.equal(first.headers.get("ratelimit-remaining"), String(ANONYMOUS - 1), "what holds was counted");
  });
});

Deno.test(
  "counting what is no token asks the database seldom, and a made-up key of no tenant is counted too",
  loose,
  async () => {
    const { doors } = app.services;
    const { asPlatform } = doors;
    let takes = 0;
    doors.asPlatform = (context, work) => {
      if (context.operation === "limits.take") takes++;
      return asPlatform(context, work);
    };
    try {
      for (let i = 0; i < 100; i++) {
        const { status, headers } = await app.ask("GET", "/v1/buildings", { token: "a.b.c" });
        assert.deepEqual([status, headers.has("ratelimit-remaining")], [401, true]);
      }
      assert.ok(takes <= 20, `${takes} of 100 asked the database`);
    } finally {
      doors.asPlatform = asPlatform;
    }
    const { key } = newApiKey(crypto.randomUUID());
    const unknown = await app.ask("GET", "/v1/buildings", { token: key });
    assert.deepEqual([unknown.status, unknown.headers.has("ratelimit-remaining")], [404, true]);
  },
);

Deno.test("the database keeps no address, only digests of them", loose, async () => {
  await app.operator();
  const sql = await adminSql(app.services.servers.settings.platformDatabase);
  const rows = await sql`select key from platform.rate_windows`;
  await sql.end();
  const odd = rows.map(({ key }) => key).filter((key) =>
    !/^(tenant|operator):[0-9a-f-]{36}$|^(address|strict):[\w-]{22}$/.test(key)
  );
  assert.deepEqual(odd, []);
  assert.ok(["address:", "strict:"].every((kind) => rows.some(({ key }) => key.startsWith(kind))));
});

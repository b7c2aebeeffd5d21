// Requests of `bulkhead/client` on a real platform, over HTTP: API keys, the tenant, trying again without doing twice, and that
// nothing goes anywhere but to the API. Sessions: client_test.ts.
import assert from "node:assert/strict";
import { type ClientOptions, createClient, expectOk, ProblemError, TargetRefusedError } from "bulkhead/client";
import { Limits } from "../../src/tenancy/limits.ts";
import { bootApp, MEMBER_PASSWORD, type TestApp, type TestTenant } from "../support/app.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
const WINDOW_MS = 2_000;
const BUILDING = { name: "Tower", address: "1 King St", city: "Toronto", country: "CA" };
let app: TestApp;
let acme: TestTenant;
let key: string;
Deno.test.beforeAll(async () => {
  app = await bootApp({ env: { LIMIT_TENANT_PER_MINUTE: "" } });
  const { services } = app;
  await services.limits.stop();
  services.limits = new Limits(services.doors, services.log, { windowMs: WINDOW_MS });
  acme = await app.tenant("requests-acme");
  key = await newKey(acme);
});
Deno.test.afterAll(() => app.stop());

/** A key that may do everything with buildings, at most so often in a window. */
async function newKey(tenant: TestTenant, requests_per_minute: number | null = null): Promise<string> {
  const body = { name: "Program", permissions: { buildings: ["*"] }, requests_per_minute };
  const made = await app.ask("POST", "/v1/api-keys", { token: tenant.admin, body });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return made.body.key;
}

/** A client with an API key, and every request that left it. */
function clientOf(options: Partial<ClientOptions> & { apiKey?: string } = {}) {
  const sent: Request[] = [];
  const { apiKey = key, fetch: inner = fetch, ...more } = options;
  const noting: typeof fetch = (input, init) => {
    const request = new Request(input, init);
    sent.push(request.clone());
    return inner(request);
  };
  return { ...createClient({ url: app.url, ...more, auth: { apiKey }, fetch: noting }), sent };
}

const post = (body: BodyInit, headers: Record<string, string> = {}) => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body,
});

async function named(name: string): Promise<number> {
  const { body } = await app.ask("GET", "/v1/buildings?limit=100", { token: acme.admin });
  return body.items.filter((item: { name: string }) => item.name === name).length;
}

Deno.test("an API key opens the API; tenants are named by header, path or the key alone", loose, async () => {
  for (const options of [{}, { tenant: acme.slug }, { url: `${app.url}/t/${acme.slug}/` }]) {
    const { fetch, sent } = clientOf(options);
    assert.deepEqual([(await fetch("/v1/buildings")).status, sent.length], [200, 1]);
    assert.equal(sent[0].headers.get("x-tenant"), options.tenant ?? null);
    assert.equal(new URL(sent[0].url).pathname, `${options.url ? `/t/${acme.slug}` : ""}/v1/buildings`);
  }
  const { fetch, sent } = clientOf();
  const headers = { authorization: `Bearer ${acme.admin}` };
  assert.equal((await fetch("/v1/auth/me", { headers })).status, 200, "who sends a token of his own keeps it");
  assert.equal(sent[0].headers.get("authorization"), headers.authorization);
  const unknown = clientOf({ apiKey: key.slice(0, -10) + "0000000000" });
  const refusal = await unknown.fetch("/v1/buildings");
  assert.deepEqual([refusal.status, unknown.sent.length], [401, 1]);
  const error = await expectOk(refusal).catch((error) => error);
  assert.deepEqual([error instanceof ProblemError, error.code], [true, "unauthorized"]);
  assert.ok(!Deno.inspect(error).includes("bh_"));
  assert.ok(!Deno.inspect(clientOf(), { depth: 20, showHidden: true }).includes(key.slice(-43)));
});

Deno.test("expectOk() gives the problem's fields, and says unknown of what is no problem", loose, async () => {
  const answer = await clientOf().fetch("/v1/buildings", post('{"name":7}'));
  const error: ProblemError = await expectOk(answer).catch((error) => error);
  assert.deepEqual([error.code, error.status, error.requestId], [
    "invalid_request",
    400,
    answer.headers.get("x-request-id"),
  ]);
  assert.ok(error.fields.some(({ path, message }) => path === "body.name" && message.length > 0));
  const other = await expectOk(new Response("<h1>Bad gateway</h1>", { status: 502 })).catch((error) => error);
  assert.deepEqual([other.code, other.status], ["unknown", 502]);
});

Deno.test("a 429 is waited for as it says, and a POST then writes once", loose, async () => {
  const { fetch, sent } = clientOf({ apiKey: await newKey(acme, 2), idempotencyKeys: true });
  const name = "Tower of patience";
  const body = JSON.stringify({ ...BUILDING, name });
  let created = 0;
  while (sent.length === created && created < 50) {
    assert.equal((await fetch("/v1/buildings", post(body))).status, 201);
    created++;
  }
  assert.ok(sent.length > created, "the server never refused");
  assert.equal(new Set(sent.map(({ headers }) => headers.get("idempotency-key"))).size, created);
  assert.equal(await named(name), created);
});

Deno.test("a POST whose answer was lost on the way is not done twice", loose, async () => {
  const lost: typeof fetch = async (input, init) => {
    const answer = await fetch(input, init);
    if (sent.length > 1) return answer;
    await answer.body?.cancel();
    return new Response("The gateway gave up", { status: 503, headers: { "retry-after": "0" } });
  };
  const { fetch: send, sent } = clientOf({ fetch: lost, idempotencyKeys: ({ url }) => url.endsWith("/buildings") });
  const body = JSON.stringify({ ...BUILDING, name: "Tower that came twice" });
  const answer = await send(new Request(`${app.url}/v1/buildings`, post(body)));
  assert.deepEqual([answer.status, answer.headers.get("idempotent-replayed"), sent.length], [201, "true", 2]);
  assert.equal(await named("Tower that came twice"), 1);
});

Deno.test("only what does no harm twice is tried again, so often and so long as was said", async () => {
  const tries = async (options: Partial<ClientOptions>, init?: RequestInit, wait: string | null = "0") => {
    const headers = wait === null ? undefined : { "retry-after": wait };
    const busy = () => Promise.resolve(new Response(null, { status: 429, headers }));
    const { fetch, sent } = clientOf({ ...options, fetch: busy });
    assert.equal((await fetch("/v1/buildings", init)).status, 429);
    return sent.length;
  };
  const body = JSON.stringify(BUILDING);
  const keyed = post(body, { "idempotency-key": "k" });
  for (const method of ["GET", "HEAD", "DELETE"]) assert.equal(await tries({}, { method }), 4, method);
  assert.equal(await tries({}, { ...post(body), method: "PUT" }), 4, "PUT");
  assert.equal(await tries({}, keyed), 4, "a POST with a key");
  assert.equal(await tries({}, post(body)), 1, "a POST without a key");
  assert.equal(await tries({}, { ...keyed, method: "PATCH" }), 1, "PATCH");
  assert.equal(await tries({}, { ...keyed, body: new Blob([body]).stream() }), 1, "a stream");
  assert.equal(await tries({}, { ...keyed, body: new Blob([body]) }), 4, "a Blob");
  assert.equal(await tries({ retry: { times: 1 } }), 2, "times");
  assert.equal(await tries({ retry: { seconds: 1 } }, {}, "2"), 1, "seconds");
  assert.equal(await tries({}, {}, new Date(Date.now() - 1_000).toUTCString()), 4, "a date");
  assert.equal(await tries({}, {}, null), 1, "an answer that does not say when");
});

Deno.test("waiting ends when the caller gives up", loose, async () => {
  const busy = () => Promise.resolve(new Response(null, { status: 503, headers: { "retry-after": "20" } }));
  const { fetch: send, sent } = clientOf({ fetch: busy });
  const signal = AbortSignal.timeout(50);
  await assert.rejects(send("/v1/buildings", { signal }), (error: Error) => error.name === "TimeoutError");
  assert.equal(sent.length, 1);
});

Deno.test("nothing is sent to another origin, by an absolute URL or a redirect", loose, async () => {
  const seen: string[] = [];
  const quiet = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const thief = Deno.serve(quiet, (request) => (seen.push(request.url), new Response("thanks")));
  const elsewhere = `http://127.0.0.1:${thief.addr.port}`;
  const redirecting = Deno.serve(quiet, () => new Response(null, { status: 307, headers: { location: elsewhere } }));
  const { fetch: send, sent } = clientOf();
  const { port } = new URL(app.url);
  const disguised = [`http://localhost:${port}`, `https://127.0.0.1:${port}`, `http://127.0.0.1:${port}@evil.test/`];
  for (const url of [elsewhere, ...disguised, `${elsewhere}/?next=${app.url}`]) {
    for (const input of [url, new URL(url), new Request(url)]) {
      await assert.rejects(send(input), (error: Error) => error instanceof TargetRefusedError);
    }
  }
  assert.equal(sent.length, 0);
  assert.equal((await send(`//127.0.0.1:${thief.addr.port}/v1`)).status, 404, "a path of the API, like any other");
  const url = `http://127.0.0.1:${redirecting.addr.port}`;
  await assert.rejects(clientOf({ url }).fetch("/v1/buildings"), TargetRefusedError);
  const credentials = { email: "ida@client.test", password: MEMBER_PASSWORD };
  await assert.rejects(createClient({ url, auth: {} }).signIn(credentials), TargetRefusedError);
  assert.deepEqual(seen, []);
  await Promise.all([thief.shutdown(), redirecting.shutdown()]);
});

/** What a generator makes of the API document, in small: paths with their answers, over a fetch that it is given. */
interface Paths {
  "/v1/buildings": { items: { id: string; name: string }[] };
  "/v1/auth/me": { member: { email: string } };
}

function generated({ baseUrl, fetch }: { baseUrl: string; fetch: (request: Request) => Promise<Response> }) {
  return async <P extends keyof Paths>(path: P): Promise<{ data?: Paths[P]; error?: unknown; response: Response }> => {
    const response = await fetch(new Request(baseUrl + path, { headers: { accept: "application/json" } }));
    const body = await response.json();
    return response.ok ? { data: body, response } : { error: body, response };
  };
}

Deno.test("a generated client works with the client's fetch", loose, async () => {
  const client = createClient({ url: app.url, tenant: acme.slug, auth: {} });
  await client.signIn({ email: acme.adminEmail, password: MEMBER_PASSWORD });
  const get = generated({ baseUrl: app.url, fetch: client.fetch });
  assert.equal((await get("/v1/auth/me")).data!.member.email, acme.adminEmail);
  assert.ok((await get("/v1/buildings")).data!.items.every(({ id }) => id.length === 36));
});

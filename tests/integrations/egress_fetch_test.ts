// The egress fetch against real servers on this machine: what may be reached, that the checked address is the one that
// is connected to, and every limit.

import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { AppError } from "../../src/errors.ts";
import { createEgress, type Egress } from "../../src/integrations/egress/egress.ts";
import { createEgressFetch, FetchFault, type FetchRules } from "../../src/integrations/egress/fetch.ts";

const folder = new URL("./certificates/", import.meta.url);
const read = (name: string) => Deno.readTextFileSync(new URL(name, folder));
const [ca, cert, otherCert, key] = ["authority.pem", "localhost.pem", "other_name.pem", "localhost_key.pem"].map(read);
const loopback = createEgress(["127.0.0.0/8", "::1/128"]);

/** Sends every name to the loopback, as a resolver under somebody's control would. */
const misled: Egress = {
  resolve: (host) => Promise.resolve({ address: "127.0.0.1", family: 4, servername: host }),
};

interface Asked {
  port: number;
  requests: { method?: string; url?: string; host?: string; headers: Record<string, unknown>; body: string }[];
}

/** Runs `fn` with a server on 127.0.0.1 that remembers what it was asked. */
async function withServer(answer: RequestListener, fn: (asked: Asked) => Promise<void>, tls?: { cert: string }) {
  const requests: Asked["requests"] = [];
  const listener: RequestListener = async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { method, url, headers } = request;
    requests.push({ method, url, host: headers.host, headers, body });
    answer(request, response);
  };
  const server = tls ? createTlsServer({ key, ...tls }, listener) : createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  try {
    await fn({ port: (server.address() as AddressInfo).port, requests });
  } finally {
    server.closeAllConnections?.();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

const hello: RequestListener = (_request, response) => void response.setHeader("x-answer", "1").end("hello");
const plain = (rules: FetchRules = {}, egress = loopback) =>
  createEgressFetch(egress, { plainLoopback: true, ...rules });

const refused = (work: () => Promise<unknown>, name: string) =>
  assert.rejects(work, (error) => error instanceof AppError && error.code === "egress_refused", name);
const fails = (work: () => Promise<unknown>, reason: string) =>
  assert.rejects(work, (error) => error instanceof FetchFault && error.reason === reason, reason);

Deno.test("createEgressFetch() refuses what leads inside, and connects to nothing", () =>
  withServer(hello, async ({ port, requests }) => {
    const fetch = createEgressFetch(createEgress([]), { plainLoopback: true });
    const inside = ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]"];
    for (const host of [...inside, "localhost", "localhost.", "0.0.0.0", "169.254.169.254", "10.0.0.1", "[fd00::1]"]) {
      for (const scheme of ["http", "https"]) await refused(() => fetch(`${scheme}://${host}:${port}/`), host);
    }
    assert.deepEqual(requests, []);
  }));

Deno.test("createEgressFetch() reaches an allow-listed loopback, and nothing beside it", () =>
  withServer(hello, async ({ port, requests }) => {
    const answer = await plain()(`http://127.0.0.1:${port}/a?b=1`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("x-answer"), "1");
    assert.equal(await answer.text(), "hello");
    assert.equal(requests[0].url, "/a?b=1");
    const narrow = plain({}, createEgress(["127.0.0.2/32"]));
    await refused(() => narrow(`http://127.0.0.1:${port}/`), "another address");
    assert.equal(requests.length, 1);
  }));

Deno.test("createEgressFetch() uses http for loopback only, and only when the option says so", () =>
  withServer(hello, async ({ port, requests }) => {
    await refused(() => createEgressFetch(loopback)(`http://127.0.0.1:${port}/`), "no option");
    const outside: Egress = { resolve: (host) => Promise.resolve({ address: "8.8.8.8", family: 4, servername: host }) };
    await refused(() => plain({}, outside)(`http://example.test:${port}/`), "not a loopback");
    for (const url of ["ftp://127.0.0.1/", "file:///etc/passwd", "data:,x"]) await refused(() => plain()(url), url);
    for (const url of [`http://user:pw@127.0.0.1:${port}/`, `http://user@127.0.0.1:${port}/`, "not a URL", ""]) {
      await refused(() => plain()(url), url);
    }
    assert.deepEqual(requests, []);
  }));

Deno.test("createEgressFetch() sends method, headers and body, with the name as the host", () =>
  withServer(hello, async ({ port, requests }) => {
    const body = new URLSearchParams({ grant_type: "x", code: "ü&" });
    const headers = { authorization: "Basic eDp5", host: "evil.test", "accept-encoding": "gzip" };
    await plain({}, misled)(`http://hooks.example.test:${port}/in`, { method: "POST", body, headers });
    const [asked] = requests;
    assert.equal(asked.method, "POST");
    assert.equal(asked.host, `hooks.example.test:${port}`);
    assert.equal(asked.body, "grant_type=x&code=%C3%BC%26");
    assert.equal(asked.headers.authorization, "Basic eDp5");
    assert.match(String(asked.headers["content-type"]), /^application\/x-www-form-urlencoded/);
    assert.equal(asked.headers["accept-encoding"], "identity");
  }));

Deno.test("createEgressFetch() connects to the checked address and resolves once", () =>
  withServer(hello, async ({ port, requests }) => {
    let resolved = 0;
    const once: Egress = {
      resolve: (host) => {
        if (resolved++ > 0) throw new Error("Resolved again");
        return misled.resolve(host);
      },
    };
    // The name does not exist: only the address that the check gave can have been used.
    const answer = await plain({}, once)(`http://no-such-host.invalid:${port}/`);
    assert.equal(await answer.text(), "hello");
    assert.equal(resolved, 1);
    assert.equal(requests.length, 1);
  }));

Deno.test("createEgressFetch() verifies TLS for the name, not for the address", async () => {
  await withServer(hello, async ({ port }) => {
    const fetch = createEgressFetch(misled, { ca });
    assert.equal(await (await fetch(`https://localhost:${port}/`)).text(), "hello");
    assert.equal(await (await fetch(`https://127.0.0.1:${port}/`)).text(), "hello");
    await fails(() => fetch(`https://bank.example.test:${port}/`), "unreachable");
    await fails(() => createEgressFetch(misled)(`https://localhost:${port}/`), "unreachable");
  }, { cert });
  await withServer(hello, async ({ port, requests }) => {
    const fetch = createEgressFetch(misled, { ca });
    assert.equal(await (await fetch(`https://other.test:${port}/`)).text(), "hello");
    await fails(() => fetch(`https://localhost:${port}/`), "unreachable");
    await fails(() => fetch(`https://127.0.0.1:${port}/`), "unreachable");
    assert.equal(requests.length, 1);
  }, { cert: otherCert });
});

Deno.test("createEgressFetch() follows no redirect: it hands it back, or fails when asked to", () =>
  withServer((_request, response) => void response.writeHead(302, { location: "/next" }).end(), async (asked) => {
    const url = `http://127.0.0.1:${asked.port}/`;
    for (const redirect of [undefined, "follow", "manual"] as const) {
      const answer = await plain()(url, { redirect });
      assert.equal(answer.status, 302);
      assert.equal(answer.headers.get("location"), "/next");
    }
    await fails(() => plain()(url, { redirect: "error" }), "not_understood");
    assert.deepEqual(asked.requests.map(({ url }) => url), ["/", "/", "/", "/"]);
  }));

Deno.test("createEgressFetch() stops at the byte limit, announced or not", async () => {
  const long: RequestListener = (_request, response) => {
    response.write("x".repeat(600));
    response.end("x".repeat(600));
  };
  const announced: RequestListener = (_request, response) =>
    void response.setHeader("content-length", "1200").end("x".repeat(1200));
  for (const listener of [long, announced]) {
    await withServer(listener, async ({ port }) => {
      const url = `http://127.0.0.1:${port}/`;
      await fails(() => plain({ maxBytes: 1199 })(url), "too_large");
      assert.equal((await (await plain({ maxBytes: 1200 })(url)).text()).length, 1200);
    });
  }
});

Deno.test("createEgressFetch() takes no compressed answer, so nothing can grow", () =>
  withServer((_request, response) => {
    response.setHeader("content-encoding", "gzip").end(gzipSync("x".repeat(100_000)));
  }, ({ port }) => fails(() => plain()(`http://127.0.0.1:${port}/`), "not_understood")));

Deno.test("createEgressFetch() gives up in time: no answer, a drip of bytes, a resolver that hangs", async () => {
  await withServer(
    () => {},
    ({ port }) => fails(() => plain({ timeoutMs: 100 })(`http://127.0.0.1:${port}/`), "timeout"),
  );
  const timers: ReturnType<typeof setInterval>[] = [];
  await withServer((_request, response) => {
    timers.push(setInterval(() => response.write("x"), 10));
    response.on("close", () => clearInterval(timers.at(-1)));
  }, ({ port }) => fails(() => plain({ timeoutMs: 150 })(`http://127.0.0.1:${port}/`), "timeout"));
  for (const timer of timers) clearInterval(timer);
  const hanging: Egress = { resolve: () => new Promise(() => {}) };
  await fails(() => plain({ timeoutMs: 50 }, hanging)("https://example.test/"), "timeout");
});

Deno.test("createEgressFetch() stops when the caller does, and tells when nobody listens", async () => {
  await withServer(() => {}, async ({ port }) => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    await fails(() => plain()(`http://127.0.0.1:${port}/`, { signal: stop.signal }), "aborted");
  });
  let free = 0;
  await withServer(hello, ({ port }) => {
    free = port;
    return Promise.resolve();
  });
  await fails(() => plain()(`http://127.0.0.1:${free}/`), "unreachable");
});

Deno.test("createEgressFetch() tells a broken answer from a whole one, and passes 204 on", async () => {
  await withServer((_request, response) => {
    response.setHeader("content-length", "100").write("half");
    setTimeout(() => response.destroy(), 20);
  }, ({ port }) => fails(() => plain()(`http://127.0.0.1:${port}/`), "unreachable"));
  await withServer((_request, response) => void response.writeHead(204).end(), async ({ port }) => {
    const answer = await plain()(`http://127.0.0.1:${port}/`);
    assert.equal(answer.status, 204);
    assert.equal(answer.body, null);
  });
});

Deno.test("FetchFault says the host and nothing that may be secret", async () => {
  await withServer(() => {}, async ({ port }) => {
    const error: Error = await plain({ timeoutMs: 50 })(`http://127.0.0.1:${port}/hook/secret?token=secret`, {
      headers: { authorization: "secret" },
    }).then(() => assert.fail("It answered"), (error) => error);
    assert.match(error.message, /"127\.0\.0\.1"/);
    assert.doesNotMatch(error.message + error.stack, /secret/);
  });
});

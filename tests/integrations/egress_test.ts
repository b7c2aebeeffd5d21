// Egress: no spelling of an internal address gets through, and no name that leads to one.

import assert from "node:assert/strict";
import { AppError } from "../../src/errors.ts";
import { toBlockList } from "../../src/integrations/egress/ranges.ts";
import { type EgressRules, resolvePublic } from "../../src/integrations/egress/resolve.ts";

const none: EgressRules = { allow: [] };

/** Rules under which every name has these addresses. */
function answering(...addresses: string[]): EgressRules {
  const all = addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  return { allow: [], resolve: () => Promise.resolve(all) };
}

async function refused(host: string, rules = none) {
  const isRefusal = (error: unknown) => error instanceof AppError && error.code === "egress_refused";
  await assert.rejects(() => resolvePublic(host, rules), isRefusal, host);
}

// Spellings that some resolver or URL parser reads as an address or another host; all must be refused unresolved.
const MISSPELT = [
  "127.1",
  "127.0.1",
  "0x7f.1",
  "0x7f.0.0.1",
  "0x7f000001",
  "2130706433",
  "017700000001",
  "0177.0.0.1",
  "127.000.000.001",
  "127.0.0.01",
  "127.0.0.1.",
  "127.0.0.256",
  "127.0.0.1.5",
  "1.2.3",
  "0",
  "[::1]",
  "[::ffff:7f00:1]",
  "fe80::1%eth0",
  "fe80::1%25eth0",
  "::1%lo",
  ":::1",
  "1::2::3",
  "localhost.",
  "example.com.",
  "example.com..",
  ".example.com",
  "example..com",
  "example.com:5432",
  "user@example.com",
  "user:pw@127.0.0.1",
  "example.com/path",
  "example.com\\@127.0.0.1",
  "example.com?x",
  "example.com#x",
  "http://127.0.0.1",
  "example.com,127.0.0.1",
  "/var/run/postgresql",
  "@abstract",
  "127.0.0.1 ",
  " example.com",
  "example.com\n",
  "example.com\u0000",
  "127.0.0.1%00.example.com",
  "127。0。0。1",
  "①②⑦.⓪.⓪.①",
  "１２７.0.0.1",
  "ⓛocalhost",
  "exämple.com",
  "example.com\u200b",
  "-example.com",
  "example-.com",
  "under_score.com",
  "example.1",
  "example.0x7f",
  "*.example.com",
  `${"a".repeat(64)}.com`,
  `${"a.".repeat(127)}abc`,
  "",
];

const INTERNAL = [
  "0.0.0.0",
  "10.0.0.1",
  "10.255.255.255",
  "100.64.0.1",
  "100.100.100.200",
  "127.0.0.1",
  "127.255.255.254",
  "168.63.129.16",
  "169.254.169.254",
  "172.16.0.1",
  "172.31.255.255",
  "192.0.0.192",
  "192.0.2.1",
  "192.88.99.1",
  "192.168.1.1",
  "198.18.0.1",
  "198.51.100.1",
  "203.0.113.1",
  "224.0.0.1",
  "239.255.255.255",
  "240.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "0:0:0:0:0:0:0:1",
  "::127.0.0.1",
  "::ffff:127.0.0.1",
  "::ffff:7f00:1",
  "::FFFF:8.8.8.8",
  "::ffff:0:127.0.0.1",
  "64:ff9b::127.0.0.1",
  "64:ff9b:1::7f00:1",
  "100::1",
  "2001::1",
  "2001:0:7f00:1::",
  "2001:10::1",
  "2001:db8::1",
  "2002:7f00:1::",
  "3fff::1",
  "5f00::1",
  "fc00::1",
  "fd00:ec2::254",
  "fe80::1",
  "fec0::1",
  "ff02::1",
];

Deno.test(`resolvePublic() refuses ${MISSPELT.length} spellings without asking a resolver`, async () => {
  const asked: string[] = [];
  const rules: EgressRules = {
    allow: ["0.0.0.0/0", "::/0"],
    resolve: (host) => (asked.push(host), Promise.resolve([])),
  };
  for (const host of MISSPELT) await refused(host, rules);
  assert.deepEqual(asked, []);
});

Deno.test(`resolvePublic() refuses ${INTERNAL.length} addresses that are not public`, async () => {
  for (const address of INTERNAL) await refused(address);
});

Deno.test("resolvePublic() refuses a name that leads to any of them, alone or beside a public address", async () => {
  for (const address of INTERNAL) {
    await refused("db.example.test", answering(address));
    await refused("db.example.test", answering("8.8.8.8", address));
    await refused("db.example.test", answering(address, "2606:4700::1111"));
  }
});

Deno.test("resolvePublic() refuses localhost as the system resolves it", async () => {
  await refused("localhost");
  await refused("LOCALHOST");
});

Deno.test("resolvePublic() refuses names without an address, unknown ones, and odd answers", async () => {
  await refused("db.example.test", answering());
  await refused("no-such-host.invalid");
  await refused("db.example.test", answering("not an address"));
  await refused("db.example.test", answering("fe80::1%eth0"));
  await refused("db.example.test", { allow: ["::/0"], resolve: answering("2606:4700::1%eth0").resolve });
});

Deno.test("resolvePublic() refuses when the resolver does not answer in time", async () => {
  const started = performance.now();
  await refused("slow.example.test", { allow: [], timeoutMs: 30, resolve: () => new Promise(() => {}) });
  assert.ok(performance.now() - started < 10_000);
});

Deno.test("resolvePublic() pins the first public address and keeps the name for the certificate", async () => {
  const found = await resolvePublic("DB.Example.test", answering("8.8.8.8", "2606:4700::1111"));
  assert.deepEqual(found, { address: "8.8.8.8", family: 4, servername: "db.example.test" });
  const only6 = await resolvePublic("db.example.test", answering("2606:4700::1111"));
  assert.deepEqual(only6, { address: "2606:4700::1111", family: 6, servername: "db.example.test" });
  for (const host of ["a", "xn--exmple-cua.com", "a-b.c1", "1.example.com", `${"a".repeat(63)}.com`]) {
    assert.equal((await resolvePublic(host, answering("8.8.8.8"))).servername, host);
  }
});

Deno.test("resolvePublic() takes literal public addresses as they are", async () => {
  const v4 = { address: "8.8.8.8", family: 4, servername: "8.8.8.8" };
  assert.deepEqual(await resolvePublic("8.8.8.8", none), v4);
  const v6 = { address: "2606:4700:4700::1111", family: 6, servername: "2606:4700:4700::1111" };
  assert.deepEqual(await resolvePublic("2606:4700:4700::1111", none), v6);
});

Deno.test("resolvePublic() opens the operator's networks and only those", async () => {
  const rules = { allow: ["127.0.0.0/8", "10.1.2.0/24", "fd00:1::/32"] };
  assert.equal((await resolvePublic("127.0.0.1", rules)).address, "127.0.0.1");
  assert.equal((await resolvePublic("localhost", { allow: ["127.0.0.0/8", "::1/128"] })).servername, "localhost");
  assert.equal((await resolvePublic("10.1.2.3", rules)).family, 4);
  assert.equal((await resolvePublic("fd00:1::5", rules)).family, 6);
  for (const host of ["10.1.3.1", "192.168.0.1", "fd00:2::1", "::1", "169.254.169.254"]) await refused(host, rules);
  await refused("db.example.test", { ...answering("10.1.2.3", "10.9.9.9"), allow: rules.allow });
});

Deno.test("toBlockList() names what is not a network", () => {
  for (const wrong of ["127.0.0.1", "10.0.0.0/33", "::/129", "a/8", "10.0.0.0/-1", "", "127.1/8", "10.0.0.0/8,::/0"]) {
    assert.throws(() => toBlockList([wrong]), /not a network/, wrong);
  }
});

// Guessing passwords: every refusal looks alike and costs alike, each failure makes the next wait longer, and a right password
// does not get through while the account waits. Also what a sign-in costs in round trips.
import assert from "node:assert/strict";
import { createApp } from "../../src/app.ts";
import { createDoors } from "../../src/db/doors.ts";
import { Pools } from "../../src/db/pools.ts";
import type { Tx } from "../../src/db/sql.ts";
import { platformHosts } from "../../src/services.ts";
import { emailDigest } from "../../src/tenancy/accounts.ts";
import { findCredentials } from "../../src/tenancy/accounts/credentials.ts";
import { countFailure, lockKeys, settle } from "../../src/tenancy/accounts/lockout.ts";
import type { TestTenant } from "../support/app.ts";
import { asPlatform } from "../platform/setup.ts";
import { loose, ok, PASSWORD, People, refused, told } from "./auth_people.ts";

const WRONG = "not the password at all";
let people: People;
let acme: TestTenant;
let globex: TestTenant;
Deno.test.beforeAll(async () => {
  people = await People.boot();
  [acme, globex] = [await people.app.tenant("lock-acme"), await people.app.tenant("lock-globex")];
});
Deno.test.afterAll(() => people.end());

/** The app over doors of its own, whose round trips and password work are counted. */
function counted() {
  const { services } = people.app;
  const pools = new Pools({ maxConnections: 4, perPool: 2, idleMs: 30_000 });
  const doors = createDoors(pools, services.servers.platform(), services.log);
  let hashes = 0;
  const passwords = {
    ...services.passwords,
    verify: (hash: string | null, password: string) => (hashes++, services.passwords.verify(hash, password)),
  };
  const own = { ...services, doors, passwords };
  const app = createApp(own, platformHosts(services.config, services.publicUrl));
  const login = async (slug: string, email: string, password: string) => {
    const before = { trips: pools.stats().roundTrips, hashes };
    const response = await app.request(`${services.publicUrl}/v1/auth/login`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-tenant": slug },
      body: JSON.stringify({ email, password }),
    });
    const body = await response.json();
    return {
      answer: { status: response.status, headers: response.headers, body },
      work: { trips: pools.stats().roundTrips - before.trips, hashes: hashes - before.hashes },
    };
  };
  return { login, end: () => pools.end() };
}

Deno.test("auth.login costs one hash and three round trips", loose, async () => {
  const { login, end } = counted();
  await login(acme.slug, acme.adminEmail, PASSWORD); // connects
  for (let i = 0; i < 3; i++) {
    const { answer, work } = await login(acme.slug, acme.adminEmail, PASSWORD);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.deepEqual(work, { trips: 3, hashes: 1 });
  }
  await end();
});

Deno.test("auth.login refuses everybody alike, in words, headers and work", loose, async (t) => {
  const { login, end } = counted();
  await login(acme.slug, acme.adminEmail, PASSWORD);
  const waiting = "waiting@lock-acme.test";
  await people.invite(acme, waiting);
  const disabled = "disabled@lock-acme.test";
  await people.join(acme, disabled);
  await disable(disabled);
  const suspended = "suspended@lock-acme.test";
  await people.join(acme, suspended);
  await people.shared`update tenant.members set status = 'suspended' where email = ${suspended}`;
  const cases: [string, string, string][] = [
    ["an unknown address", "nobody@lock-acme.test", WRONG],
    ["a wrong password", acme.adminEmail, WRONG],
    ["somebody who has no password yet", waiting, WRONG],
    ["a disabled account, wrong password", disabled, WRONG],
    ["a disabled account, right password", disabled, PASSWORD],
    ["a member of another tenant only, wrong password", globex.adminEmail, WRONG],
    ["a member of another tenant only, right password", globex.adminEmail, PASSWORD],
    ["an address that is none", "no address", WRONG],
    ["a suspended member, wrong password", suspended, WRONG],
  ];
  await login(acme.slug, "somebody@lock-acme.test", WRONG); // plans the statement
  const first = await login(acme.slug, "somebody@lock-acme.test", WRONG);
  refused(first.answer, "401 invalid_credentials");
  for (const [name, email, password] of cases) {
    await t.step(name, async () => {
      const { answer, work } = await login(acme.slug, email, password);
      assert.deepEqual([told(answer), work], [told(first.answer), { trips: 2, hashes: 1 }]);
    });
  }
  await t.step("who knows the password of a suspended member reads the same words", async () => {
    assert.deepEqual(told((await login(acme.slug, suspended, PASSWORD)).answer), told(first.answer));
  });
  await t.step("while they have to wait too: no hash, one round trip, right or wrong password", async () => {
    for (const [, email] of cases) {
      for (let i = 0; i < 6; i++) await login(acme.slug, email, WRONG);
    }
    await people.platform`update platform.login_failures set locked_until = now() + interval '100 s'`;
    const answers = [];
    for (const [, email] of cases) {
      for (const password of [PASSWORD, WRONG]) {
        const { answer, work } = await login(acme.slug, email, password);
        refused(answer, "429 too_many_attempts");
        assert.ok(Number(answer.headers.get("retry-after")) > 90);
        answer.headers.delete("retry-after");
        answers.push(JSON.stringify([told(answer), work]));
      }
    }
    assert.equal(new Set(answers).size, 1, answers.join("\n"));
    assert.match(answers[0], /"trips":1,"hashes":0/);
  });
  await people.forgetFailures();
  await end();
});

async function disable(email: string) {
  const answer = await people.post("/v1/accounts/disable", await people.app.operator(), { email });
  assert.equal(ok(answer).body.status, "disabled");
}

Deno.test("auth.login makes each failure after the fifth wait twice as long, up to 15 minutes", loose, async () => {
  const email = "guessed@lock-acme.test";
  const waits: number[] = [];
  for (let i = 0; i < 18; i++) {
    refused(await people.login(acme.slug, email, WRONG), "401 invalid_credentials");
    const [row] = await people.platform`select extract(epoch from locked_until - last_failure_at)::float8 as s
      from platform.login_failures where locked_until > now()`;
    waits.push(row?.s ?? 0);
    await people.waitIsOver();
  }
  assert.deepEqual(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]);
  await people.forgetFailures();
});

Deno.test(
  "a right password does not get through while the account waits, and afterwards forgets the failures",
  loose,
  async () => {
    for (let i = 0; i < 5; i++) {
      refused(
        await people.login(acme.slug, acme.adminEmail, WRONG),
        "401 invalid_credentials",
      );
    }
    const locked = refused(await people.login(acme.slug, acme.adminEmail), "429 too_many_attempts");
    assert.equal(locked.headers.get("retry-after"), "1");
    const shouted = await people.login(acme.slug, acme.adminEmail.toUpperCase());
    refused(shouted, "429 too_many_attempts");
    await people.waitIsOver();
    await people.enter(acme.slug, acme.adminEmail);
    for (let i = 0; i < 4; i++) {
      refused(
        await people.login(acme.slug, acme.adminEmail, WRONG),
        "401 invalid_credentials",
      );
    }
    await people.enter(acme.slug, acme.adminEmail);
  },
);

Deno.test("an account waits in every tenant, and nobody else does", loose, async () => {
  await people.join(globex, acme.adminEmail);
  for (let i = 0; i < 5; i++) await people.login(acme.slug, acme.adminEmail, WRONG);
  refused(await people.login(globex.slug, acme.adminEmail), "429 too_many_attempts");
  await people.enter(globex.slug, globex.adminEmail);
  await people.forgetFailures();
});

Deno.test("settle() refuses a right password that was read before others locked the account", loose, async () => {
  const { services } = people.app;
  const digest = emailDigest(services.servers, acme.adminEmail);
  const keys = lockKeys(services.servers, digest, { address: null, free: 50 });
  const run = <T>(work: (tx: Tx) => PromiseLike<T>) => asPlatform(services, work);
  const { wait, account } = await run((tx) => findCredentials(tx, digest, acme.id, keys));
  assert.equal(wait, null);
  // Twenty at once had read the same: five count, the others and the right one are refused alike.
  const counted = await Promise.all(Array.from({ length: 20 }, () => run((tx) => countFailure(tx, keys))));
  assert.equal(counted.filter((one) => one === null).length, 5);
  const right = await run((tx) => settle(tx, keys, { accountId: account!.id, done: true }));
  assert.ok(right! > 0, String(right));
  await people.waitIsOver();
  assert.equal(await run((tx) => settle(tx, keys, { accountId: account!.id, done: true })), null);
  await people.forgetFailures();
});

Deno.test("an address waits later and less, and a success does not free it", loose, async () => {
  const { services } = people.app;
  const run = <T>(work: (tx: Tx) => PromiseLike<T>) => asPlatform(services, work);
  const from = (name: string, address = "203.0.113.7") =>
    lockKeys(services.servers, emailDigest(services.servers, name), { address, free: 10 });
  for (let i = 0; i < 9; i++) assert.equal(await run((tx) => countFailure(tx, from(`one-${i}@x.test`))), null);
  const { account } = await run((tx) =>
    findCredentials(tx, emailDigest(services.servers, acme.adminEmail), acme.id, from(acme.adminEmail))
  );
  assert.equal(await run((tx) => settle(tx, from(acme.adminEmail), { accountId: account!.id, done: true })), null);
  for (let i = 0; i < 7; i++) {
    assert.equal(await run((tx) => countFailure(tx, from(`two-${i}@x.test`))), null);
    const [{ s }] = await people.platform`select extract(epoch from max(locked_until) - now())::float8 as s
      from platform.login_failures where failures >= 10`;
    assert.ok(s > Math.min(60, 2 ** i) - 1 && s <= 60, `${i}: ${s}`);
    if (i < 6) await people.waitIsOver();
  }
  const { wait } = await run((tx) => findCredentials(tx, from("three@x.test").account, acme.id, from("three@x.test")));
  assert.ok(wait! > 30);
  const elsewhere = from("three@x.test", "203.0.113.8");
  assert.equal((await run((tx) => findCredentials(tx, elsewhere.account, acme.id, elsewhere))).wait, null);
  await people.forgetFailures();
});

Deno.test("failures are forgotten after a day", loose, async () => {
  for (let i = 0; i < 4; i++) await people.login(acme.slug, acme.adminEmail, WRONG);
  await people.platform`update platform.login_failures set last_failure_at = now() - interval '25 hours'`;
  refused(await people.login(acme.slug, acme.adminEmail, WRONG), "401 invalid_credentials");
  const rows = await people.platform`select failures from platform.login_failures`;
  assert.ok(rows.every(({ failures }) => failures === 1), JSON.stringify(rows));
  await people.forgetFailures();
});

Deno.test("auth.login counts by the address that asks, whatever accounts it tries", loose, async () => {
  const other = await People.boot({ LOGIN_FAILURES_PER_ADDRESS: "8" });
  try {
    const tenant = await other.app.tenant("lock-address");
    for (let i = 0; i < 8; i++) {
      refused(await other.login(tenant.slug, `guess-${i}@lock-address.test`, WRONG), "401 invalid_credentials");
    }
    refused(await other.login(tenant.slug, tenant.adminEmail), "429 too_many_attempts");
    await other.waitIsOver();
    await other.enter(tenant.slug, tenant.adminEmail);
    const rows = JSON.stringify(await other.platform`select * from platform.login_failures`);
    assert.ok(!/127\.0\.0\.1|guess|@/.test(rows), "neither addresses of mail nor of the network are kept");
  } finally {
    await other.end();
  }
});

// Word of a new password: one mail to the account's own address, in the tenant's language, and never to one that the owner of a
// placement wrote. Nothing that opens anything is in it, and no request waits for the mail server.
import assert from "node:assert/strict";
import type { TestTenant } from "../support/app.ts";
import { openPlace, type Place } from "../support/placement.ts";
import { loose, NEW_PASSWORD, ok, PASSWORD, People, refused } from "./auth_people.ts";

const CALLER = "203.0.113.7";
const FORWARDED = { "x-forwarded-for": CALLER };
let people: People;
let acme: TestTenant;
let own: TestTenant;
let place: Place;
let counter = 0;
Deno.test.beforeAll(async () => {
  people = await People.boot({ TRUSTED_PROXIES: "1" });
  [acme, own] = await Promise.all([people.app.tenant("told-acme"), people.app.tenant("told-own", "byo")]);
  place = await openPlace(people.app, own);
});
Deno.test.afterAll(async () => {
  await place.end();
  await people.end();
});

/** Somebody new, a member of the tenant. */
async function someone(tenant: TestTenant): Promise<string> {
  const email = `person-${++counter}@told.test`;
  await people.join(tenant, email);
  return email;
}

/** Changes the password, signed in as of now. */
async function change(tenant: TestTenant, email: string, [current_password, new_password] = [PASSWORD, NEW_PASSWORD]) {
  const { access_token: token } = await people.enter(tenant.slug, email, PASSWORD);
  const body = { current_password, new_password };
  return await people.app.ask("POST", "/v1/auth/change-password", { token, body, headers: FORWARDED });
}

/** Waits until the queue of these mails is empty. */
const worked = () =>
  people.app.until("the queue", async () => {
    const [{ n }] = await people.platform`select count(*)::int as n from pgboss.job
      where name = 'auth.passwordChanged' and state in ('created', 'active', 'retry')`;
    return n === 0;
  });

/** Mails to an address, without those that hold a link, once the queue is empty. */
async function notices(email: string): Promise<string[]> {
  await worked();
  return (await people.mails(email)).filter((mail) => !mail.includes("#token="));
}

function assertHarmless(mail: string, ...more: string[]): void {
  for (const secret of [PASSWORD, NEW_PASSWORD, "token", "http", ...more]) {
    assert.ok(!mail.includes(secret), `"${secret}" is in ${mail}`);
  }
}

Deno.test("auth.changePassword tells the person: when, where, from which address, and what to do", loose, async () => {
  const email = await someone(acme);
  assert.deepEqual(await notices(email), [], "nothing is told of the first password");
  refused(await change(acme, email, ["not the password", NEW_PASSWORD]), "401 invalid_credentials");
  assert.deepEqual(await notices(email), [], "nor of an attempt");
  const { body } = ok(await change(acme, email));
  const [mail, ...others] = await notices(email);
  assert.deepEqual(others, []);
  assert.match(mail, /^Your password was changed: Organisation told-acme\n/);
  assert.match(mail, /\nWhen: .*\b\d{4} at \d.* \(America\/Toronto\)\n/);
  assert.match(mail, /\nNetwork address: 203\.0\.113\.7\n/);
  assert.match(mail, /ask for a new password at once .* administrator of Organisation told-acme/);
  assertHarmless(mail, body.access_token, body.refresh_token, "Ida", "Invited");
  await people.forgetFailures();
});

Deno.test("auth.resetPassword tells the person once, however many use the link at once", loose, async () => {
  const email = await someone(acme);
  const before = (await people.mails(email)).length;
  ok(await people.post("/v1/auth/forgot-password", undefined, { email }, acme.slug), 202);
  const token = await people.mailedToken(email, before);
  assert.deepEqual(await notices(email), []);
  const reset = () => {
    const body = { token, password: NEW_PASSWORD };
    return people.app.ask("POST", "/v1/auth/reset-password", { tenant: acme.slug, body, headers: FORWARDED });
  };
  const answers = await Promise.all([reset(), reset(), reset()]);
  assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 401, 401]);
  const [mail, ...others] = await notices(email);
  assert.deepEqual(others, []);
  assert.match(mail, /^Your password was changed: Organisation told-acme\n/);
  assert.match(mail, /\nNetwork address: 203\.0\.113\.7\n/);
  assertHarmless(mail, token);
});

Deno.test("the owner of a placement has no word of a member's password sent where he likes", loose, async (t) => {
  const [email, alike] = [await someone(own), "kim@told.test"];
  await t.step("to another address: nobody is told, and the log says so without it", async () => {
    const owner = "owner-of-the-server@told.test";
    const { access_token: token } = await people.enter(own.slug, email);
    await place.admin`update tenant.members set email = ${owner} where email = ${email}`;
    const body = { current_password: PASSWORD, new_password: NEW_PASSWORD };
    ok(await people.app.ask("POST", "/v1/auth/change-password", { token, body }));
    assert.deepEqual([await notices(owner), await notices(email)], [[], []]);
    const line = people.app.lines.find((line) => line.includes("Nobody was told of the new password"));
    assert.ok(line && !line.includes(owner) && !line.includes(email), line);
  });
  await t.step("nor to one that only looks the same in lower case", async () => {
    await people.join(own, alike);
    const { access_token: token } = await people.enter(own.slug, alike);
    const kelvin = alike.replace("k", "\u212a");
    await place.admin`update tenant.members set email = ${kelvin} where email = ${alike}`;
    const body = { current_password: PASSWORD, new_password: NEW_PASSWORD };
    ok(await people.app.ask("POST", "/v1/auth/change-password", { token, body }));
    assert.deepEqual([(await notices(kelvin)).length, (await notices(alike)).length], [0, 1]);
  });
});

Deno.test("the mail is in the tenant's language, and the job holds no address that can be read", loose, async () => {
  const email = await someone(acme);
  await people.platform`update platform.tenants set locale = 'de-DE' where id = ${acme.id}`;
  await people.app.until("the language", async () => {
    return (await people.app.services.directory.byId(acme.id))?.locale === "de-DE";
  });
  ok(await change(acme, email));
  const [mail] = await notices(email);
  assert.match(mail, /^Ihr Passwort wurde geändert: Organisation told-acme\n/);
  assert.match(mail, /\nNetzwerkadresse: 203\.0\.113\.7\n/);
  assertHarmless(mail);
  const jobs = await people.platform`select data::text from pgboss.job where name = 'auth.passwordChanged'`;
  assert.ok(jobs.length > 0);
  for (const { data } of jobs) assert.ok(!data.includes("told.test") && !data.includes(CALLER), data);
});

Deno.test("no change waits for a mail server that is away, and the mail comes later", loose, async () => {
  const email = await someone(own);
  const { mail } = people.app.services;
  const away = Promise.withResolvers<void>();
  let tries = 0;
  people.app.services.mail = { send: () => (tries++, away.promise) };
  try {
    ok(await change(own, email));
    await people.app.until("a first try", () => Promise.resolve(tries > 0));
  } finally {
    people.app.services.mail = mail;
    away.reject(new Error("The mail server is away"));
  }
  assert.deepEqual([tries, (await notices(email)).length], [1, 1]);
});

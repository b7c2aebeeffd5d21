// The mails with the links of invitations and of new members: they wait where the mail server is away, what was mailed before
// works until the next one is on its way, and no link's secret is in a job, the log or an answer.
import assert from "node:assert/strict";
import { hashSecretToken } from "../../src/identity/secret_tokens.ts";
import { setupMail } from "../../src/tenant/members/mail.ts";
import { ok, PASSWORD, People, refused } from "./auth_people.ts";

const people = await People.boot();
const { app } = people;
const tenant = await app.tenant("mailing-ones");
Deno.test.afterAll(() => people.end());

const admin = (method: string, path: string, body?: unknown) => app.ask(method, path, { token: tenant.admin, body });
const newAddress = () => `lin-${crypto.randomUUID().slice(0, 8)}@links.test`;
const newMember = (email: string, more = {}) => ({ first_name: "Lin", last_name: "Link", email, ...more });
const shows = async (token: string) =>
  (await app.ask("POST", "/v1/invitations/show", { tenant: tenant.slug, body: { token } })).status === 200;
const setPassword = (token: string, password = PASSWORD) =>
  people.post("/v1/auth/setup-password", undefined, { token, password }, tenant.slug);

/** A mailbox that takes nothing: where its folder was is a file. */
async function withoutMail(work: () => Promise<void>): Promise<void> {
  await Deno.rename(app.mailFolder, `${app.mailFolder}-away`);
  await Deno.writeTextFile(app.mailFolder, "");
  try {
    await work();
  } finally {
    await Deno.remove(app.mailFolder);
    await Deno.rename(`${app.mailFolder}-away`, app.mailFolder);
  }
}

/** Waits until `n` jobs, or more, have tried in vain. */
const tried = (n: number) =>
  app.until(`${n} failed mails`, async () => {
    const { items } = (await admin("GET", "/v1/jobs?status=queued&limit=200")).body;
    return items.filter((job: { kind: string; attempts: number }) => job.kind.startsWith("mail.") && job.attempts > 0)
      .length >= n;
  });

/** The jobs that wait for their next try have it now. */
async function tryAgain(): Promise<void> {
  await people.platform`update pgboss.job set start_after = now() where name = 'tenant.mails' and state = 'retry'`;
}

Deno.test("a mail server that is away loses no invitation and no setup link, and ends none that works", async () => {
  const [invited, added, again, waiting] = [newAddress(), newAddress(), newAddress(), newAddress()];
  const { id } = ok(await admin("POST", "/v1/invitations", { email: again }), 201).body;
  const earlier = await people.mailedToken(again);
  const { id: member } = ok(await admin("POST", "/v1/members", newMember(waiting)), 201).body;
  const link = await people.mailedToken(waiting);
  await withoutMail(async () => {
    const made = ok(await admin("POST", "/v1/invitations", { email: invited }), 201).body;
    assert.deepEqual([made.status, made.sends, made.sent_at], ["pending", 1, null]);
    ok(await admin("POST", "/v1/members", newMember(added)), 201);
    assert.equal(ok(await admin("POST", `/v1/invitations/${id}/resend`)).body.sends, 2);
    ok(await admin("POST", `/v1/members/${member}/send-link`), 204);
    await tried(4);
    assert.ok(await shows(earlier), "the earlier invitation works");
    refused(await setPassword(link, "password1234"), "422 unprocessable"); // the earlier link works
  });
  await tryAgain();
  const tokens = await Promise.all([
    people.mailedToken(invited),
    people.mailedToken(added),
    people.mailedToken(again, 1),
    people.mailedToken(waiting, 1),
  ]);
  assert.ok(await shows(tokens[0]) && await shows(tokens[2]));
  await app.until("the earlier invitation ends", async () => !await shows(earlier));
  await app.until("the earlier link ends", async () => (await setPassword(link, "password1234")).status === 401);
  for (const token of [tokens[1], tokens[3]]) ok(await setPassword(token), 204);
  const sent = await app.until("it is noted", async () => {
    const { items } = (await admin("GET", `/v1/invitations?search=${invited}`)).body;
    return items[0].sent_at as string;
  });
  assert.ok(Math.abs(Date.parse(sent) - Date.now()) < 60_000, sent);
  const jobs = JSON.stringify((await admin("GET", "/v1/jobs?limit=200")).body);
  const queued = JSON.stringify(await people.platform`select data, output from pgboss.job`);
  const kept = JSON.stringify(await people.shared`select to_jsonb(a) from tenant.audit a`);
  for (const token of [earlier, link, ...tokens]) {
    const secret = token.split("_").slice(1).join("_");
    for (const text of [jobs, queued, kept, app.lines.join("\n")]) assert.ok(!text.includes(secret));
  }
});

Deno.test("links that are asked for at once leave one that works, and of invitations only the newest is mailed late", async () => {
  const email = newAddress();
  const { id } = ok(await admin("POST", "/v1/members", newMember(email)), 201).body;
  await people.mailedToken(email);
  const sends = await Promise.all([1, 2, 3, 4, 5].map(() => admin("POST", `/v1/members/${id}/send-link`)));
  sends.forEach((answer) => ok(answer, 204));
  const unused = async () =>
    (await people.platform`select token_hash from platform.account_tokens where member_id = ${id} and used_at is null`)
      .map(({ token_hash: hash }) => [...hash as Uint8Array].join());
  await app.until("all mails", async () => (await people.mails(email)).length === 6);
  const [live] = await app.until("one link", async () => {
    const hashes = await unused();
    return hashes.length === 1 && hashes;
  });
  const mailed = (await people.mails(email)).map((mail) => hashSecretToken(/token=([\w.-]+)/.exec(mail)![1]));
  assert.ok(mailed.some((hash) => [...hash].join() === live), "the link that works was mailed");

  const invitee = newAddress();
  await withoutMail(async () => {
    const { id } = ok(await admin("POST", "/v1/invitations", { email: invitee }), 201).body;
    ok(await admin("POST", `/v1/invitations/${id}/resend`));
    await tried(1); // the first one found itself outdated, or is the one that waits
  });
  await tryAgain();
  assert.ok(await shows(await people.mailedToken(invitee)));
  await app.until("no mail that waits", async () => {
    const { items } = (await admin("GET", "/v1/jobs?limit=200")).body;
    return items.every(({ status }: { status: string }) => status === "succeeded");
  });
  assert.equal((await people.mails(invitee)).length, 1);
});

Deno.test("who was shut out or has set a password while the mail waited gets none", async () => {
  const [email, gone] = [newAddress(), newAddress()];
  const { id } = ok(await admin("POST", "/v1/members", newMember(gone)), 201).body;
  await people.mailedToken(gone);
  await withoutMail(async () => {
    ok(await admin("POST", `/v1/members/${id}/send-link`), 204);
    const { id: invitation } = ok(await admin("POST", "/v1/invitations", { email }), 201).body;
    await tried(2);
    ok(await admin("DELETE", `/v1/members/${id}`), 204);
    ok(await admin("POST", `/v1/invitations/${invitation}/revoke`));
  });
  await tryAgain();
  await app.until("no mail that waits", async () => {
    const { items } = (await admin("GET", "/v1/jobs?limit=200")).body;
    return items.every(({ status }: { status: string }) => status === "succeeded");
  });
  assert.deepEqual([(await people.mails(email)).length, (await people.mails(gone)).length], [0, 1]);
});

Deno.test("the setup mail is in the member's language, or else in the tenant's", async () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ locale: "de-AT" }, /^Ihr Konto bei [^]*Guten Tag Lin,/],
    [{ locale: "fr" }, /^Votre compte chez [^]*Bonjour Lin,/],
    [{}, /^Your account at [^]*Hello Lin,/],
  ];
  for (const [more, expected] of cases) {
    const email = newAddress();
    const { locale } = ok(await admin("POST", "/v1/members", newMember(email, more)), 201).body;
    assert.equal(locale, more.locale ?? null);
    await people.mailedToken(email);
    assert.match((await people.mails(email))[0], expected);
  }
  refused(await admin("POST", "/v1/members", newMember(newAddress(), { locale: "no_such!" })), "400 invalid_request");
  const email = newAddress();
  const { id } = ok(await admin("POST", "/v1/members", newMember(email)), 201).body;
  await people.mailedToken(email);
  assert.equal(ok(await admin("PATCH", `/v1/members/${id}`, { locale: "fr-CA" })).body.locale, "fr-CA");
  ok(await admin("POST", `/v1/members/${id}/send-link`), 204);
  await people.mailedToken(email, 1);
  assert.match((await people.mails(email))[0], /^Votre compte chez /);
});

Deno.test("setupMail() keeps each name in its line", () => {
  const { subject, text } = setupMail({
    tenant: { name: "Haus\r\nBcc: x@y.test", time_zone: "Europe/Berlin" },
    firstName: "Your mailbox is full.\n\nSign in at\u2028http://evil.example/\r\n",
    locale: "de-CH-1996",
    url: "https://x.test/t/haus/setup-password#token=t",
    expiresAt: new Date("2011-12-31T23:30:00Z"),
  });
  assert.equal(subject, "Ihr Konto bei Haus Bcc: x@y.test");
  assert.match(
    text,
    /^Guten Tag Your mailbox is full\. Sign in at http:\/\/evil\.example\/,\n\nbei Haus Bcc: x@y\.test/,
  );
  assert.match(text, /#token=t\n\n[^]*1\. Januar 2012[^]*Europe\/Berlin/);
});

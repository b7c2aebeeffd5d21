// Mail: nothing smuggles headers or recipients, the mailbox keeps its files to itself, and its pages run nothing.

import assert from "node:assert/strict";
import { Hono } from "hono";
import { AppError } from "../../src/errors.ts";
import { checkMessage, type Message } from "../../src/integrations/mail/mail.ts";
import { mailPages } from "../../src/integrations/mail/mail_pages.ts";
import { createMailbox, type Mailbox } from "../../src/integrations/mail/mailbox.ts";

const message: Message = { to: "ada@example.test", subject: "Hello", text: "Set your password" };

async function withMailbox(fn: (mailbox: Mailbox, folder: string) => Promise<void>) {
  const root = await Deno.makeTempDir();
  try {
    await fn(createMailbox(`${root}/state/mail`), `${root}/state/mail`);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("checkMessage() takes plain addresses", () => {
  for (
    const to of ["a@b", "first.last+tag@sub.example.test", "o'brien@example.test", `${"a".repeat(64)}@example.test`]
  ) {
    checkMessage({ ...message, to });
  }
});

Deno.test("checkMessage() refuses every recipient that is not one plain address", () => {
  const planted = [
    "",
    "ada",
    "@example.test",
    "ada@",
    "ada@example.test\r\nBcc: eve@evil.test",
    "ada@example.test\nBcc: eve@evil.test",
    "ada@example.test, eve@evil.test",
    "ada@example.test; eve@evil.test",
    "ada@example.test eve@evil.test",
    "<ada@example.test>",
    "Ada <ada@example.test>",
    "ada@example.test>",
    '"a b"@example.test',
    "ada@@example.test",
    "ada@exa_mple.test",
    "ada@-example.test",
    "ada@example..test",
    ".ada@example.test",
    "ada.@example.test",
    "ada@[127.0.0.1]",
    "ada(comment)@example.test",
    "ada@example.test\u0000",
    "ädа@example.test",
    `${"a".repeat(65)}@example.test`,
    `a@${"b.".repeat(130)}test`,
  ];
  for (const to of planted) {
    assert.throws(() => checkMessage({ ...message, to }), (error) => {
      return error instanceof AppError && error.code === "unprocessable" && error.fields?.[0].path === "to";
    }, to);
  }
});

Deno.test("checkMessage() refuses a subject of several lines or with control characters, and huge parts", () => {
  for (const subject of ["a\r\nBcc: x@y.test", "a\nb", "a\rb", "a\u0000b", "a\u2028b", "a\u0085b", "x".repeat(201)]) {
    assert.throws(() => checkMessage({ ...message, subject }), { code: "unprocessable" }, JSON.stringify(subject));
  }
  assert.throws(() => checkMessage({ ...message, text: "x".repeat(600_000) }), { code: "unprocessable" });
  assert.throws(() => checkMessage({ ...message, html: "x".repeat(600_000) }), { code: "unprocessable" });
});

Deno.test("createMailbox() keeps folder and files to their owner", () =>
  withMailbox(async (mailbox, folder) => {
    assert.deepEqual(await mailbox.list(), []);
    await mailbox.send(message);
    assert.equal((await Deno.stat(folder)).mode! & 0o777, 0o700);
    const files = await Array.fromAsync(Deno.readDir(folder));
    assert.equal(files.length, 1);
    assert.match(files[0].name, /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z-[0-9a-f]{16}\.json$/);
    assert.equal((await Deno.stat(`${folder}/${files[0].name}`)).mode! & 0o777, 0o600);
  }));

Deno.test("list() gives the newest first, read() gives one, and a refused mail leaves nothing", () =>
  withMailbox(async (mailbox) => {
    await Promise.all(["one", "two", "three"].map((subject) => mailbox.send({ ...message, subject })));
    await assert.rejects(() => mailbox.send({ ...message, to: "nobody" }), { code: "unprocessable" });
    const mails = await mailbox.list();
    assert.deepEqual(mails.map((mail) => mail.subject), ["three", "two", "one"]);
    assert.deepEqual(await mailbox.read(mails[1].id), mails[1]);
    assert.deepEqual((await mailbox.list(1)).map((mail) => mail.subject), ["three"]);
  }));

Deno.test("send() with the same idempotency key leaves one mail, also at the same moment", () =>
  withMailbox(async (mailbox, folder) => {
    const keyed = { ...message, idempotencyKey: "welcome:1" };
    await Promise.all([mailbox.send(keyed), mailbox.send(keyed), mailbox.send(keyed)]);
    await createMailbox(folder).send(keyed);
    await mailbox.send({ ...message, idempotencyKey: "welcome:2" });
    assert.equal((await mailbox.list()).length, 2);
  }));

Deno.test("read() finds no file outside the mailbox", () =>
  withMailbox(async (mailbox, folder) => {
    await mailbox.send(message);
    await Deno.writeTextFile(`${folder}/../secret.json`, "{}");
    await Deno.writeTextFile(`${folder}/secret.json`, "{}");
    for (const id of ["../secret", "secret", "", ".", "..", "%2e%2e", "0".repeat(16), "*"]) {
      await assert.rejects(() => mailbox.read(id), { code: "not_found" }, id);
    }
  }));

Deno.test("list() passes over a file that is broken", () =>
  withMailbox(async (mailbox, folder) => {
    await mailbox.send(message);
    await Deno.writeTextFile(`${folder}/2030-01-01T00-00-00.000Z-0123456789abcdef.json`, "{");
    assert.equal((await mailbox.list()).length, 1);
    await assert.rejects(() => mailbox.read("0123456789abcdef"), { code: "not_found" });
  }));

function serving(mailbox: Mailbox): Hono {
  const app = new Hono().route("/dev/mail", mailPages(mailbox));
  app.onError((error, c) => c.text(error.message, error instanceof AppError ? error.status as 404 : 500));
  return app;
}

const hostile: Message = {
  to: "ada@example.test",
  subject: '<script>alert(1)</script>" onload="x',
  text: 'Go to https://app.test/setup?a=1&b="><script>x</script> or javascript:alert(1) <img src=x onerror=y>',
  html: "<script>alert(2)</script><form action=//evil.test>",
};

Deno.test("mailPages() shows hostile mails as harmless text under a strict policy", () =>
  withMailbox(async (mailbox) => {
    await mailbox.send(hostile);
    const [{ id }] = await mailbox.list();
    for (const path of ["/dev/mail", `/dev/mail/${id}`]) {
      const answer = await serving(mailbox).request(path);
      const body = await answer.text();
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get("content-type") ?? "", /^text\/html/);
      assert.ok(!/<script|<img|<form|href="javascript/i.test(body), body);
      assert.ok(body.includes("&lt;script&gt;alert(1)"));
      const policy = answer.headers.get("content-security-policy") ?? "";
      assert.match(policy, /^default-src 'none'; style-src 'sha256-[A-Za-z0-9+/]+=*'; base-uri 'none'; form-action/);
      assert.equal(answer.headers.get("cache-control"), "private, no-store");
      assert.equal(answer.headers.get("referrer-policy"), "no-referrer");
      assert.equal(answer.headers.get("x-content-type-options"), "nosniff");
    }
  }));

Deno.test("mailPages() allows exactly its own style, and links web addresses in the text", () =>
  withMailbox(async (mailbox) => {
    await mailbox.send({ ...message, text: "Open https://app.test/setup?token=abc&x=1 now" });
    const [{ id }] = await mailbox.list();
    const answer = await serving(mailbox).request(`/dev/mail/${id}`);
    const body = await answer.text();
    assert.ok(body.includes('<a href="https://app.test/setup?token=abc&amp;x=1"'));
    assert.ok(body.includes('<a href="/dev/mail">'));
    const style = new TextEncoder().encode(/<style>([^]*)<\/style>/.exec(body)![1]);
    const hash = btoa(String.fromCharCode(...new Uint8Array(await crypto.subtle.digest("SHA-256", style))));
    assert.ok(answer.headers.get("content-security-policy")!.includes(`'sha256-${hash}'`));
  }));

Deno.test("mailPages() answers JSON where it is asked for, and 404 for an unknown mail", () =>
  withMailbox(async (mailbox) => {
    await mailbox.send(hostile);
    const app = serving(mailbox);
    const headers = { accept: "application/json" };
    const list = await (await app.request("/dev/mail", { headers })).json();
    assert.equal(list.items[0].subject, hostile.subject);
    const one = await (await app.request(`/dev/mail/${list.items[0].id}`, { headers })).json();
    assert.equal(one.text, hostile.text);
    for (const id of ["0".repeat(16), "..%2f..%2fsecret", "x"]) {
      assert.equal((await app.request(`/dev/mail/${id}`, { headers })).status, 404, id);
    }
  }));

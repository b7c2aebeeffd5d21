// SMTP against a real server: verified TLS, no password in the clear, one recipient, and final refusals told apart.

import assert from "node:assert/strict";
import { text } from "node:stream/consumers";
import type { AddressInfo } from "node:net";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { createSmtpMail, type SmtpSettings } from "../../src/integrations/mail/smtp.ts";

const folder = new URL("./certificates/", import.meta.url);
const authority = await Deno.readTextFile(new URL("authority.pem", folder));
const cert = await Deno.readTextFile(new URL("localhost.pem", folder));
const key = await Deno.readTextFile(new URL("localhost_key.pem", folder));
const otherCert = await Deno.readTextFile(new URL("other_name.pem", folder));
const message = { to: "ada@example.test", subject: "Grüße", text: "Hello\n.\nBye" };

interface Received {
  from: string;
  to: string[];
  secure: boolean;
  source: string;
}

/** Runs `fn` with a server that records what arrives, and the settings that reach it. */
async function withServer(
  options: SMTPServerOptions,
  fn: (settings: SmtpSettings, received: Received[]) => Promise<void>,
) {
  const received: Received[] = [];
  const server = new SMTPServer({
    key,
    cert,
    authOptional: true,
    closeTimeout: 100,
    onAuth: ({ username, password }, _session, done) =>
      username === "mailer" && password === "right" ? done(null, { user: username }) : done(new Error("Wrong")),
    onData: async (stream, { envelope, secure }, done) => {
      const from = envelope.mailFrom ? envelope.mailFrom.address : "";
      received.push({ from, to: envelope.rcptTo.map((to) => to.address), secure, source: await text(stream) });
      done();
    },
    ...options,
  });
  // A client that gives up on our certificate is what some tests want; the server reports it here.
  server.on("error", () => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.server.address() as AddressInfo;
  try {
    const base = { host: "localhost", port, from: "no-reply@bulkhead.test", fromName: "Bulkhead", timeoutMs: 2000 };
    await fn({ ...base, tls: "starttls", ca: authority }, received);
  } finally {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

Deno.test("createSmtpMail() delivers by STARTTLS with a verified certificate and a login", () =>
  withServer({}, async (settings, received) => {
    const mail = createSmtpMail({ ...settings, user: "mailer", password: "right" });
    await mail.send({ ...message, html: "<p>Hello</p>" });
    const [{ from, to, secure, source }] = received;
    assert.deepEqual({ from, to, secure }, { from: "no-reply@bulkhead.test", to: ["ada@example.test"], secure: true });
    assert.match(source, /^From: Bulkhead <no-reply@bulkhead\.test>\r$/m);
    assert.match(source, /^To: ada@example\.test\r$/m);
    assert.match(source, /^Subject: =\?UTF-8\?/m);
    assert.match(source, /multipart\/alternative/);
  }));

Deno.test("createSmtpMail() delivers by TLS from the first byte", () =>
  withServer({ secure: true }, async (settings, received) => {
    await createSmtpMail({ ...settings, tls: "implicit" }).send(message);
    assert.equal(received[0].secure, true);
    assert.match(received[0].source, /Hello\r\n\.\r\nBye/);
  }));

/** Whether sending failed because of the certificate, and for no other reason. */
function isCertificateError(error: Error & { code: string }): boolean {
  return error.code === "internal" && /certificate/i.test((error.cause as Error).message);
}

Deno.test("createSmtpMail() refuses a certificate that no trusted authority signed", async () => {
  for (const secure of [false, true]) {
    await withServer({ secure }, async (settings, received) => {
      const mail = createSmtpMail({ ...settings, tls: secure ? "implicit" : "starttls", ca: undefined });
      await assert.rejects(() => mail.send(message), isCertificateError);
      assert.deepEqual(received, []);
    });
  }
});

Deno.test("createSmtpMail() refuses a certificate for another name", async () => {
  for (const secure of [false, true]) {
    await withServer({ secure, cert: otherCert }, async (settings, received) => {
      const mail = createSmtpMail({ ...settings, tls: secure ? "implicit" : "starttls" });
      await assert.rejects(() => mail.send(message), isCertificateError);
      assert.deepEqual(received, []);
    });
  }
});

Deno.test("createSmtpMail() refuses a server that does not offer STARTTLS", () =>
  withServer({ hideSTARTTLS: true, disabledCommands: ["STARTTLS"] }, async (settings, received) => {
    const mail = createSmtpMail({ ...settings, user: "mailer", password: "right" });
    await assert.rejects(() => mail.send(message), { code: "internal" });
    assert.deepEqual(received, []);
  }));

Deno.test("createSmtpMail() sends unencrypted only when told so, and then never a password", () =>
  withServer({}, async (settings, received) => {
    await createSmtpMail({ ...settings, tls: "none" }).send(message);
    assert.equal(received[0].secure, false);
    assert.throws(() => createSmtpMail({ ...settings, tls: "none", user: "mailer", password: "right" }), /unencrypted/);
  }));

Deno.test("createSmtpMail() keeps a wrong password out of its error", () =>
  withServer({}, async (settings) => {
    const mail = createSmtpMail({ ...settings, user: "mailer", password: "canary-password" });
    await assert.rejects(() => mail.send(message), (error: Error & { code: string }) => {
      assert.equal(error.code, "internal");
      return !`${error.message} ${(error.cause as Error).message}`.includes("canary");
    });
  }));

Deno.test("send() adds no header and no recipient that a field tries to smuggle in", () =>
  withServer({}, async (settings, received) => {
    const mail = createSmtpMail(settings);
    const planted = [
      { ...message, to: "ada@example.test\r\nRCPT TO:<eve@evil.test>" },
      { ...message, to: "ada@example.test, eve@evil.test" },
      { ...message, subject: "Hi\r\nBcc: eve@evil.test" },
    ];
    for (const hostile of planted) await assert.rejects(() => mail.send(hostile), { code: "unprocessable" });
    assert.equal(received.length, 0);
    const key = "welcome\r\nBcc: eve@evil.test";
    await mail.send({ ...message, text: "a\r\n.\r\nMAIL FROM:<eve@evil.test>", idempotencyKey: key });
    assert.equal(received.length, 1);
    assert.doesNotMatch(received[0].source, /^Bcc:/m);
  }));

Deno.test("send() gives the same idempotency key the same Message-ID", () =>
  withServer({}, async (settings, received) => {
    const mail = createSmtpMail(settings);
    for (const idempotencyKey of ["k1", "k1", "k2"]) await mail.send({ ...message, idempotencyKey });
    const ids = received.map(({ source }) => /^Message-ID: (<[0-9a-f]{40}@bulkhead\.test>)/mi.exec(source)?.[1]);
    assert.ok(ids[0]);
    assert.equal(ids[0], ids[1]);
    assert.notEqual(ids[0], ids[2]);
  }));

Deno.test("send() tells a final refusal of the recipient from a passing one", async () => {
  for (const [status, code] of [[550, "unprocessable"], [450, "internal"]] as const) {
    const onRcptTo: SMTPServerOptions["onRcptTo"] = (_to, _session, done) =>
      done(Object.assign(new Error("No"), { responseCode: status }));
    await withServer({ onRcptTo }, async (settings) => {
      await assert.rejects(() => createSmtpMail(settings).send(message), { code });
    });
  }
});

Deno.test("send() gives up on a server that is not there or says nothing", async () => {
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = silent.accept();
  const settings = { host: "127.0.0.1", tls: "starttls" as const, from: "a@b.test", timeoutMs: 200 };
  await assert.rejects(() => createSmtpMail({ ...settings, port: silent.addr.port }).send(message), {
    code: "internal",
  });
  (await accepted).close();
  silent.close();
  await assert.rejects(() => createSmtpMail({ ...settings, port: silent.addr.port }).send(message), {
    code: "internal",
  });
});

Deno.test("createSmtpMail() refuses a sender that is not one plain address or one line", () => {
  const settings = { host: "localhost", port: 25, tls: "none" as const };
  for (const from of ["", "a@b.test\r\nBcc: x@y.test", "Bulkhead <a@b.test>"]) {
    assert.throws(() => createSmtpMail({ ...settings, from }), /sender/);
  }
  assert.throws(() => createSmtpMail({ ...settings, from: "a@b.test", fromName: "a\r\nBcc: x" }), /one line/);
});

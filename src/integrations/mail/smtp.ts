// Mail by SMTP. The server's certificate is verified, passwords never travel unencrypted, and the library may read
// neither files nor URLs named in a message.

import { createHash } from "node:crypto";
import { createTransport } from "nodemailer";
import { AppError } from "../../errors.ts";
import { checkMessage, isAddress, type Mail, type Message } from "./mail.ts";

/** Where and how to send. */
export interface SmtpSettings {
  host: string;
  port: number;
  /** `implicit` from the first byte (port 465), `starttls` required (587), `none` for a relay on a trusted network. */
  tls: "implicit" | "starttls" | "none";
  user?: string;
  password?: string;
  /** The sender: a plain address. */
  from: string;
  /** The name shown beside the sender's address. */
  fromName?: string;
  /** The certificate authority of a server with a private one, as PEM. */
  ca?: string;
  /** Milliseconds for connecting and for each silence of the server; default 10,000. */
  timeoutMs?: number;
}

/** The SMTP adapter. @throws Error for settings with a wrong sender, or a password without TLS. */
export function createSmtpMail(settings: SmtpSettings): Mail {
  if (!isAddress(settings.from)) throw new Error("Give one plain e-mail address as the sender of mail");
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(settings.fromName ?? "")) throw new Error("Give the sender's name as one line");
  if (settings.tls === "none" && settings.password !== undefined) {
    throw new Error(`Turn on TLS for the mail server "${settings.host}": its password would travel unencrypted`);
  }
  const transport = createTransport(transportOptions(settings));
  const from = { name: settings.fromName ?? "", address: settings.from };
  return {
    send: async (message) => {
      checkMessage(message);
      const { to, subject, text, html } = message;
      const messageId = keyedMessageId(message, settings.from);
      try {
        await transport.sendMail({ from, to: { name: "", address: to }, subject, text, html, messageId });
      } catch (cause) {
        throw translate(cause);
      }
    },
  };
}

function transportOptions(settings: SmtpSettings) {
  const { host, port, tls, user, password, ca, timeoutMs = 10_000 } = settings;
  return {
    host,
    port,
    secure: tls === "implicit",
    requireTLS: tls === "starttls",
    ignoreTLS: tls === "none",
    auth: user === undefined ? undefined : { user, pass: password ?? "" },
    tls: { rejectUnauthorized: true, minVersion: "TLSv1.2" as const, ca },
    disableFileAccess: true,
    disableUrlAccess: true,
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
  };
}

/** SMTP cannot refuse a repetition, but mail systems fold two mails with one Message-ID into one. */
function keyedMessageId(message: Message, from: string): string | undefined {
  if (message.idempotencyKey === undefined) return undefined;
  const digest = createHash("sha256").update(`${message.to}\n${message.idempotencyKey}`).digest("hex").slice(0, 40);
  return `<${digest}@${from.split("@")[1]}>`;
}

/** A 5xx answer to the recipient or the content is final; everything else may pass. The server's words stay inside. */
function translate(cause: unknown): AppError {
  const { code, responseCode } = cause as { code?: string; responseCode?: number };
  const isFinal = (code === "EENVELOPE" || code === "EMESSAGE") && (responseCode ?? 0) >= 500;
  if (isFinal) return new AppError("unprocessable", "The mail server refused this mail", { cause });
  return new AppError("internal", "The mail could not be handed to the mail server", { cause });
}

// Outgoing mail: the one interface that modules know, and the checks that every adapter makes before it sends.
// Nothing that a person typed may add a header, a recipient or a line of the envelope.

import { AppError } from "../../errors.ts";

/** One mail to one person. */
export interface Message {
  to: string;
  subject: string;
  text: string;
  html?: string;
  /** The same key means the same mail: sent again after a crash it should arrive once. */
  idempotencyKey?: string;
}

/** Sends mail. */
export interface Mail {
  /**
   * Hands over one mail.
   * @throws AppError `unprocessable` when the message or the recipient is refused for good, `internal` when another
   * try may succeed.
   */
  send(message: Message): Promise<void>;
}

const MAX_SUBJECT = 200;
const MAX_BODY = 512 * 1024;
// The plain part of RFC 5321 addresses: no quoted local parts, no comments, no display names, one recipient.
const ADDRESS =
  /^(?=.{3,254}$)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

/** Whether this is one plain e-mail address (ASCII, at most 254 characters, local part at most 64). */
export function isAddress(text: string): boolean {
  return text.indexOf("@") <= 64 && ADDRESS.test(text);
}

/** Refuses a message that could smuggle headers or recipients. @throws AppError `unprocessable`, naming the field. */
export function checkMessage(message: Message): void {
  if (!isAddress(message.to)) refuse("to", "Give one plain e-mail address as the recipient");
  // deno-lint-ignore no-control-regex -- control characters are what is looked for
  if (message.subject.length > MAX_SUBJECT || /[\u0000-\u001f\u007f\u0085\u2028\u2029]/.test(message.subject)) {
    refuse("subject", `Give a subject of one line and at most ${MAX_SUBJECT} characters`);
  }
  if (message.text.length > MAX_BODY) refuse("text", `Give a text of at most ${MAX_BODY} characters`);
  if ((message.html?.length ?? 0) > MAX_BODY) refuse("html", `Give an HTML part of at most ${MAX_BODY} characters`);
}

function refuse(path: string, message: string): never {
  throw new AppError("unprocessable", message, { fields: [{ path, message }] });
}

/** Where no mail server is configured and there is no mailbox: every mail fails, and says what to set. */
export const noMail: Mail = {
  send: () => Promise.reject(new AppError("internal", 'Set "SMTP_URL" to send mail')),
};

// The pages at /dev/mail: the local mailbox for people (HTML) and for tests (JSON). Mails are shown as text only; their
// HTML part appears as source, so that nothing in a mail runs, loads or submits anything.

import { type Context, Hono } from "hono";
import { html, raw } from "hono/html";
import type { Mailbox, StoredMail } from "./mailbox.ts";

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2733}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #ccd4db}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f3f5f7;padding:1rem;border-radius:4px}a{color:#0b5cad}`;

/** The mailbox as a sub-application: `GET /` lists, `GET /:id` shows one; JSON where `Accept` asks for it. */
export function mailPages(mailbox: Mailbox): Hono {
  const pages = new Hono();
  pages.get("/", async (c) => {
    const mails = await mailbox.list();
    if (wantsJson(c)) return c.json({ items: mails }, 200, headers());
    return c.html(page("Mailbox", listOf(mails, c.req.path.replace(/\/$/, ""))), 200, headers(await styleHash()));
  });
  pages.get("/:id", async (c) => {
    const mail = await mailbox.read(c.req.param("id"));
    if (wantsJson(c)) return c.json(mail, 200, headers());
    return c.html(
      page(mail.subject, oneMail(mail, c.req.path.replace(/\/[^/]*$/, ""))),
      200,
      headers(await styleHash()),
    );
  });
  return pages;
}

function wantsJson(c: Context): boolean {
  return (c.req.header("accept") ?? "").includes("application/json");
}

function headers(style = ""): Record<string, string> {
  const styles = style && ` style-src '${style}';`;
  return {
    "content-security-policy":
      `default-src 'none';${styles} base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    "cache-control": "private, no-store",
    // Mails hold set-up links and lead outside: the address of this page stays here.
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "vary": "accept",
  };
}

async function styleHash(): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(STYLE));
  return `sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}`;
}

function page(title: string, body: unknown) {
  return html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width">
        <title>${title}</title>
        <style>${raw(STYLE)}</style>
      </head>
      <body><h1>${title}</h1>${body}</body>
    </html>
  `;
}

function listOf(mails: StoredMail[], base: string) {
  if (mails.length === 0) return html`<p>No mail yet</p>`;
  const rows = mails.map((mail) =>
    html`
      <tr>
        <td>${mail.time}</td>
        <td>${mail.to}</td>
        <td><a href="${base}/${mail.id}">${mail.subject}</a></td>
      </tr>
    `
  );
  return html`
    <table>
      <thead>
        <tr>
          <th>Time</th>
          <th>To</th>
          <th>Subject</th>
        </tr>
      </thead>
      <tbody>${rows}</tbody>
    </table>
  `;
}

function oneMail(mail: StoredMail, base: string) {
  const source = mail.html === undefined ? "" : html`
    <h2>HTML part, as source</h2>
    <pre>${mail.html}</pre>
  `;
  return html`<p>${mail.time}, to ${mail.to}</p><pre>${
    linked(mail.text)
  }</pre>${source}<p><a href="${base}">All mail</a></p>`;
}

/** The text with its web addresses as links, each part escaped; no other scheme becomes a link. */
function linked(text: string) {
  const parts = text.split(/(https?:\/\/[^\s<>"']+)/);
  return parts.map((part, i) => i % 2 ? html`<a href="${part}" rel="noreferrer noopener">${part}</a>` : html`${part}`);
}

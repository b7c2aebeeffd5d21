// The page that the link of an invitation opens: it shows who invites to what and makes the person a member through the API.
// The token is in the fragment, which browsers do not send; the page loads nothing from elsewhere, runs no inline script, and
// puts what the API says into the page as text only.
import type { OpenAPIHono } from "@hono/zod-openapi";

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; form-action 'none'; " +
  "frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const HEADERS = {
  "content-security-policy": POLICY,
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cache-control": "no-store",
};

const SCRIPT = `const form = document.querySelector("form"), output = document.querySelector("output");
const byId = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const base = "/t/" + location.pathname.split("/")[2] + "/v1/invitations/";
const say = (kind, text) => { output.dataset.kind = kind; output.textContent = text; };
const post = (path, body) => fetch(base + path, { method: "POST",
  headers: { "content-type": "application/json" }, body: JSON.stringify({ token, ...body }) });
let hasAccount = false;
async function open() {
  if (!token) return say("bad", "This link is not complete. Open it from the mail again.");
  const answer = await post("show", {});
  const shown = await answer.json();
  if (!answer.ok) return say("bad", shown.detail || shown.title);
  hasAccount = shown.has_account;
  byId("tenant").textContent = shown.tenant.name;
  byId("address").textContent = shown.email;
  byId("role").textContent = shown.role;
  byId("new-label").textContent = hasAccount ? "Password of your account" : "New password (at least 10 characters)";
  byId("new").autocomplete = hasAccount ? "current-password" : "new-password";
  byId("again").required = !hasAccount;
  byId("twice").hidden = hasAccount;
  form.hidden = byId("what").hidden = false;
}
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const password = byId("new").value;
  if (!hasAccount && password !== byId("again").value) return say("bad", "The two passwords differ.");
  form.querySelector("button").disabled = true;
  try {
    const names = { first_name: byId("first").value, last_name: byId("last").value };
    const answer = await post("accept", { ...names, password });
    if (answer.ok) { form.hidden = true; history.replaceState(null, "", location.pathname);
      return say("good", "You are a member now. You can sign in."); }
    const problem = await answer.json();
    say("bad", problem.detail || problem.title);
  } catch { say("bad", "The server cannot be reached. Try again."); }
  form.querySelector("button").disabled = false;
});
open().catch(() => say("bad", "The server cannot be reached. Try again."));`;

const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Accept an invitation</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/setup.css"></head><body>
<h1>Accept an invitation</h1>
<p id="what" hidden>You are invited to <strong id="tenant"></strong> as <strong id="role"></strong>.
Your address there: <span id="address"></span>.</p>
<form hidden><label for="first">Given name</label>
<input id="first" autocomplete="given-name" maxlength="100" required>
<label for="last">Family name</label>
<input id="last" autocomplete="family-name" maxlength="100" required>
<label for="new" id="new-label">Password</label>
<input id="new" type="password" maxlength="256" required>
<div id="twice"><label for="again">The same again</label>
<input id="again" type="password" autocomplete="new-password" maxlength="256"></div>
<button>Accept</button></form><output role="status"></output><script src="/assets/accept.js"></script></body></html>`;

/** Serves `/t/{slug}/accept-invitation`. The page is the same for every slug, also for one that does not exist. */
export function serveAcceptPage(app: OpenAPIHono): void {
  app.get("/t/:slug/accept-invitation", (c) => c.html(PAGE, 200, HEADERS));
  app.get("/assets/accept.js", (c) => c.body(SCRIPT, 200, { ...HEADERS, "content-type": "text/javascript" }));
}

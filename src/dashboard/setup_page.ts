// The page that the link in a mail opens: it sets the first password through the API. The token is in the fragment, which
// browsers do not send, so it is in no log; the page loads nothing from elsewhere and runs no inline script.
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

const STYLE =
  `body { font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 4rem auto; padding: 0 1rem; color: #1c2733 }
label { display: block; margin: 1rem 0 .25rem } input { width: 100%; padding: .5rem; font: inherit; box-sizing: border-box }
button { margin-top: 1.5rem; padding: .6rem 1.2rem; font: inherit; cursor: pointer } output { display: block; margin-top: 1rem }
output[data-kind=bad] { color: #a11 } output[data-kind=good] { color: #161 }`;

const SCRIPT = `const form = document.querySelector("form"), output = document.querySelector("output");
const token = new URLSearchParams(location.hash.slice(1)).get("token");
const [slug, action] = location.pathname.split("/").slice(2);
const address = action ? "/t/" + slug + "/v1/auth/" + action : "/v1/operators/set-password";
const say = (kind, text) => { output.dataset.kind = kind; output.textContent = text; };
if (!token) { say("bad", "This link is not complete. Open it from the mail again."); form.hidden = true; }
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const [password, again] = [...form.querySelectorAll("input[type=password]")].map((input) => input.value);
  if (password !== again) return say("bad", "The two passwords differ.");
  form.querySelector("button").disabled = true;
  try {
    const answer = await fetch(address, { method: "POST",
      headers: { "content-type": "application/json" }, body: JSON.stringify({ token, password }) });
    if (answer.ok) { form.hidden = true; history.replaceState(null, "", location.pathname);
      return say("good", "Your password is set. You can sign in now."); }
    const problem = await answer.json();
    say("bad", problem.detail || problem.title);
  } catch { say("bad", "The server cannot be reached. Try again."); }
  form.querySelector("button").disabled = false;
});`;

const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Set your password</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/setup.css"></head><body>
<h1>Set your password</h1><form><label for="new">New password (at least 10 characters)</label>
<input id="new" type="password" autocomplete="new-password" minlength="10" maxlength="256" required autofocus>
<label for="again">The same again</label>
<input id="again" type="password" autocomplete="new-password" minlength="10" maxlength="256" required>
<button>Set password</button></form><output role="status"></output><script src="/assets/setup.js"></script></body></html>`;

/**
 * Serves `/t/{slug}/setup-password`, `…/reset-password` and `/operators/set-password`. The page is the same for every slug,
 * also for one that does not exist.
 */
export function serveSetupPage(app: OpenAPIHono): void {
  for (const action of ["setup-password", "reset-password"]) {
    app.get(`/t/:slug/${action}`, (c) => c.html(PAGE, 200, HEADERS));
  }
  app.get("/operators/set-password", (c) => c.html(PAGE, 200, HEADERS));
  app.get("/assets/setup.js", (c) => c.body(SCRIPT, 200, { ...HEADERS, "content-type": "text/javascript" }));
  app.get("/assets/setup.css", (c) => c.body(STYLE, 200, { ...HEADERS, "content-type": "text/css" }));
}

// What browsers are told with every answer: an error, a page that is not there and a refused host included. An answer that
// needs another value has set it already; nothing here loosens one.

/** An answer of the API is no page: nothing in it may run, load, or be shown inside a page. */
const API_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const ALWAYS = Object.entries({
  "content-security-policy": API_POLICY,
  "cross-origin-opener-policy": "same-origin",
  // For requests that ask for no CORS, as images and scripts do; pages that may read answers use CORS (cors.ts).
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
});

/** Two years. Without includeSubDomains: what else runs below a customer's own domain is not ours to decide. */
const HSTS = "max-age=63072000";

/** Whether callers reach the platform over https. */
export function isHttps(publicUrl: string): boolean {
  return publicUrl.startsWith("https:");
}

/** The answer with every security header that it has not set itself; `Strict-Transport-Security` over https only. */
export function secured(response: Response, publicUrl: string): Response {
  const answer = writable(response);
  const { headers } = answer;
  for (const [name, value] of ALWAYS) {
    if (!headers.has(name)) headers.set(name, value);
  }
  if (isHttps(publicUrl)) headers.set("strict-transport-security", HSTS);
  return answer;
}

/** The answer, or a copy whose headers can be changed: those of `Response.redirect()` and of `fetch()` cannot. */
export function writable(response: Response): Response {
  try {
    response.headers.delete("x-powered-by");
    return response;
  } catch {
    return new Response(response.body, response);
  }
}

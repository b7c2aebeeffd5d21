// The API documentation: the OpenAPI 3.1 document and a page that shows it. Everything is served from here; nothing is
// fetched from elsewhere, and the page's policy allows nothing else.
import type { OpenAPIHono } from "@hono/zod-openapi";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const ASSETS: Record<string, string> = {
  "swagger-ui.css": "text/css",
  "swagger-ui-bundle.js": "text/javascript",
};

const START = `window.onload = () => SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", deepLinking: true,
  tryItOutEnabled: true, persistAuthorization: false });`;

const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Bulkhead API</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="docs"></div><script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body></html>`;

const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
  "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'";

/** Serves `/openapi.json` and `/docs`. Call it after all routes are mounted. */
export function serveDocs(app: OpenAPIHono, publicUrl: string, version: string): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
    type: "http",
    scheme: "bearer",
    bearerFormat: "JWT",
    description: "The access_token of auth.login (members) or operators.login (operators)",
  });
  app.openAPIRegistry.registerComponent("securitySchemes", "api_key", {
    type: "apiKey",
    in: "header",
    name: "X-API-Key",
    description: "A key of a tenant (api_keys.create) or of an operator (operator_keys.create); also as bearer",
  });
  let document: string | undefined;
  app.get("/openapi.json", (c) => {
    document ??= JSON.stringify(app.getOpenAPI31Document({
      openapi: "3.1.0",
      info: {
        title: "Bulkhead",
        version,
        description: "Errors are problem+json with a stable `code`. Tenant routes are also served below `/t/{slug}`.",
        license: { name: "MIT", url: "https://opensource.org/license/mit" },
      },
      servers: [{ url: publicUrl }],
    }));
    return c.body(document, 200, { "content-type": "application/json", "cache-control": "public, max-age=60" });
  });
  app.get("/docs", (c) => c.html(PAGE, 200, { "content-security-policy": POLICY }));
  app.get("/docs/start.js", (c) => c.body(START, 200, { "content-type": "text/javascript" }));
  app.get("/docs/:asset", async (c) => {
    const name = c.req.param("asset");
    const type = ASSETS[name];
    if (!type) return c.notFound();
    const file = await readFile(fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`)));
    return c.body(new Uint8Array(file), 200, { "content-type": type, "cache-control": "public, max-age=86400" });
  });
}

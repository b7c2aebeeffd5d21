// Checks an OpenAPI 3.1 document by the rules of the specification that programs rely on, and by the operations that the
// platform promises.
import assert from "node:assert/strict";

const PROMISED = `health.live health.ready applications.submit applications.list applications.get applications.approve
  applications.reject tenants.list tenants.get operators.login auth.login auth.refresh auth.logout auth.me
  auth.setupPassword members.list members.create buildings.list buildings.get buildings.create buildings.update
  buildings.delete properties.list properties.get properties.create properties.update properties.delete renters.list
  renters.get renters.create renters.update renters.delete meters.list meters.get meters.create meters.update
  meters.delete readings.import readings.list tariffs.list invoices.run invoices.list invoices.get reports.create
  reports.get reports.download jobs.get`.split(/\s+/);

const METHODS = ["get", "put", "post", "delete", "patch"];

// deno-lint-ignore no-explicit-any -- a document as it came
type Node = any;

/** Throws at the first rule that the document breaks. */
export function checkDocument(document: Node): void {
  assert.match(document.openapi, /^3\.1\.\d+$/);
  assert.ok(document.info.title && document.info.version);
  assert.ok(document.servers.every((server: Node) => URL.canParse(server.url)));
  const operations = Object.entries<Node>(document.paths).flatMap(([path, item]) => {
    assert.match(path, /^\//);
    return Object.entries<Node>(item).map(([method, operation]) => {
      assert.ok(METHODS.includes(method), `${method} ${path}`);
      checkOperation(document, path, method, operation);
      return operation.operationId;
    });
  });
  assert.equal(new Set(operations).size, operations.length, "Two operations have one operationId");
  assert.deepEqual(PROMISED.filter((name) => !operations.includes(name)), [], "Promised operations are missing");
  checkReferences(document, document);
  assert.equal(document.components.securitySchemes.bearer.scheme, "bearer");
}

function checkOperation(document: Node, path: string, method: string, operation: Node): void {
  const name = `${method} ${path}`;
  assert.match(operation.operationId, /^[a-z_]+\.[a-zA-Z]+$/, name);
  assert.ok(operation.summary && operation.tags.length, name);
  const parameters: Node[] = operation.parameters ?? [];
  const keys = parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
  assert.equal(new Set(keys).size, keys.length, `${name} has a parameter twice`);
  for (const parameter of parameters) {
    assert.ok(["path", "query", "header", "cookie"].includes(parameter.in) && parameter.schema, name);
    if (parameter.in === "path") assert.equal(parameter.required, true, name);
  }
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => `path ${match[1]}`);
  assert.deepEqual(keys.filter((key) => key.startsWith("path ")).sort(), inPath.sort(), name);
  if (method === "get" || method === "delete") assert.equal(operation.requestBody, undefined, name);
  if (operation.requestBody) assert.equal(operation.requestBody.required, true, name);
  const statuses = Object.keys(operation.responses);
  assert.ok(statuses.some((status) => /^2\d\d$/.test(status)), `${name} tells of no success`);
  for (const [status, response] of Object.entries<Node>(operation.responses)) {
    assert.match(status, /^[2-5]\d\d$/, name);
    assert.ok(response.description, name);
    if (status >= "400") assert.ok(response.content["application/problem+json"].schema, `${name} ${status}`);
  }
  for (const security of operation.security ?? []) {
    for (const scheme of Object.keys(security)) assert.ok(document.components.securitySchemes[scheme], name);
  }
  if ((operation.security ?? []).length > 0) {
    assert.ok(["400", "401", "403"].every((status) => statuses.includes(status)), name);
  }
}

/** Every reference leads somewhere, and no schema uses what 3.1 does not have. */
function checkReferences(document: Node, node: Node): void {
  if (typeof node !== "object" || node === null) return;
  if (typeof node.$ref === "string") {
    const found = node.$ref.replace(/^#\//, "").split("/").reduce((at: Node, part: string) => at?.[part], document);
    assert.ok(found, `${node.$ref} leads nowhere`);
  }
  assert.ok(
    !("nullable" in node) || typeof node.nullable === "object",
    `"nullable" is of 3.0: ${JSON.stringify(node)}`,
  );
  for (const value of Object.values(node)) checkReferences(document, value);
}

// Operators of every role for tests: made over the API, with the link from the mail.
import assert from "node:assert/strict";
import type { TestApp, TestProcess } from "./app.ts";

export const OPERATOR_PASSWORD = "a long passphrase of an operator";

/** An operator, and a token if a password was set. */
export interface TestOperator {
  id: string;
  email: string;
  token: string;
}

/** The token of the link in the newest mail to an address. */
export async function mailedLink(app: TestApp, to: string): Promise<string> {
  return await app.until(`a mail to ${to}`, async () => {
    const { body } = await app.ask("GET", "/dev/mail", { headers: { accept: "application/json" } });
    const mail = body.items.find((item: { to: string; text: string }) => item.to === to);
    return /set-password#token=([\w.-]+)/.exec(mail?.text ?? "")?.[1];
  });
}

/** Signs an operator in. */
export async function signInOperator(app: TestProcess, email: string): Promise<string> {
  const answer = await app.ask("POST", "/v1/operators/login", { body: { email, password: OPERATOR_PASSWORD } });
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body.access_token;
}

/** Adds an operator, who sets a password unless `sets` is false. */
export async function addOperator(app: TestApp, role: string, { sets = true } = {}): Promise<TestOperator> {
  const email = `${role}-${crypto.randomUUID().slice(0, 8)}@bulkhead.test`;
  const body = { email, first_name: "Olga", last_name: "Operator", role };
  const made = await app.ask("POST", "/v1/operators", { token: await app.operator(), body });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  if (!sets) return { id: made.body.id, email, token: "" };
  const link = { token: await mailedLink(app, email), password: OPERATOR_PASSWORD };
  const set = await app.ask("POST", "/v1/operators/set-password", { body: link });
  assert.equal(set.status, 204, JSON.stringify(set.body));
  return { id: made.body.id, email, token: await signInOperator(app, email) };
}

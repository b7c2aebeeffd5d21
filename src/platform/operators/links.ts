// Single-use links by which operators set their password: mailed, good once, and for a day.
import type { Tx } from "../../db/sql.ts";
import type { Call } from "../../http/route.ts";
import { newSecretToken } from "../../identity/secret_tokens.ts";
import type { Operator } from "./model.ts";
import { keepLink } from "./queries.ts";

const HOURS = 24;

/** Keeps a new link in the caller's transaction and mails it after the commit; earlier ones stop working. */
export async function mailLink(call: Call, tx: Tx, operator: Operator): Promise<void> {
  const { token, hash } = newSecretToken("bho");
  const expiresAt = new Date(Date.now() + HOURS * 3_600_000);
  await keepLink(tx, operator.id, { hash, expiresAt });
  const { publicUrl, mail } = call.services;
  call.afterCommit(() => mail.send({ to: operator.email, ...linkMail({ operator, publicUrl, token, expiresAt }) }));
}

interface LinkMail {
  operator: Operator;
  publicUrl: string;
  token: string;
  expiresAt: Date;
}

/** The token is behind `#`, which browsers keep to themselves. */
function linkMail({ operator, publicUrl, token, expiresAt }: LinkMail): { subject: string; text: string } {
  return {
    subject: "Set your password as an operator of Bulkhead",
    text: `Hello ${operator.first_name},

you are an operator of Bulkhead (${operator.role}). Set your password here:

${publicUrl}/operators/set-password#token=${token}

The link works once, until ${
      expiresAt.toISOString().slice(0, 16).replace("T", " ")
    } UTC. Ask a superadmin for a new one.

For programs, the same as a call:

curl -X POST ${publicUrl}/v1/operators/set-password \\
  -H 'content-type: application/json' \\
  -d '{"token": "${token}", "password": "a long password of your own"}'
`,
  };
}

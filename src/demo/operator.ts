// The demo's operator signs in. Who has set up a second factor for it in this home folder is asked for a code.
import type { Local } from "../cli/local.ts";
import type { Client } from "./client.ts";

/** A token of the local operator. Throws where there is nobody to ask for a code, or a factor has to be set up first. */
export async function signInOperator(client: Client, { operator }: Pick<Local, "operator">): Promise<string> {
  const first = await client.call("POST", "/v1/operators/login", { body: operator });
  if (first.state === "signed_in") return first.access_token;
  if (first.state === "limited") {
    throw new Error(
      `Leave OPERATOR_MFA_REQUIRED off for the demo, or set up a second factor for ${operator.email} first`,
    );
  }
  const typed = Deno.stdin.isTerminal() ? prompt(`Code of the authenticator app of ${operator.email}:`)?.trim() : null;
  if (!typed) throw new Error(`Run this in a terminal: a code of ${operator.email}'s authenticator app is needed`);
  const given = /^\d{6}$/.test(typed) ? { code: typed } : { recovery_code: typed };
  const second = await client.call("POST", "/v1/operators/mfa", { body: { mfa_token: first.mfa_token, ...given } });
  return second.access_token;
}

// An administrator of the demo signs in. On kept data somebody may have changed what the demo relies on: then it says what to do.
import type { Organisation } from "./cast.ts";
import type { Client } from "./client.ts";

/** A token of an organisation's administrator. Throws where the demo's password alone does not let that person in. */
export async function signInAdmin(client: Client, { slug, admin }: Organisation, password: string): Promise<string> {
  const credentials = { email: admin.email, password };
  const { status, body, text } = await client.ask("POST", "/v1/auth/login", { tenant: slug, body: credentials });
  if (status === 200 && body.state === "signed_in") return body.access_token;
  if (status !== 200 && status !== 401) throw new Error(`${admin.email} could not sign in: ${text.slice(0, 500)}`);
  throw new Error(
    `${admin.email} does not get in with the demo's password any more: run "deno task reset" and begin anew`,
  );
}

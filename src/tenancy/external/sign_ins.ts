// Sign-ins at other issuers that were begun: the platform keeps, sealed, what ties the issuer's answer to its beginning. The
// answer travels through the browser; a second text stays in the page that began, and only both together finish it, once.
import { Buffer } from "node:buffer";
import { timingSafeEqual } from "node:crypto";
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { hashSecretToken, newSecretToken } from "../../identity/secret_tokens.ts";
import type { OidcSaved } from "../../integrations/oidc/oidc.ts";
import type { Services } from "../services.ts";

/** How long one can be finished. */
export const SIGN_IN_SECONDS = 10 * 60;

/** What is kept of one. */
export interface SavedSignIn {
  saved: OidcSaved;
  providerId: string;
  /** The page that the browser goes back to; null: it is shown the answer. */
  redirect: string | null;
}

const scope = (hash: Uint8Array) => ({ purpose: "oidc.sign-in", id: Buffer.from(hash).toString("hex") });
const again = () => new AppError("invalid_token", "Begin to sign in again");

/** Begins one. Gives the text that stays in the page, and the statement that keeps the sign-in. */
export async function keepSignIn(services: Services, tenantId: string, signIn: SavedSignIn) {
  const hash = hashSecretToken(signIn.saved.state);
  const { token, hash: pageHash } = newSecretToken("bho");
  const data = JSON.stringify({ ...signIn, page: Buffer.from(pageHash).toString("hex") });
  const sealed = await services.secrets.seal(data, scope(hash));
  const keep = (tx: Tx) =>
    tx`with old as (
        delete from platform.sign_in_states where expires_at < now() - interval '1 hour'
      )
      insert into platform.sign_in_states (state_hash, kind, tenant_id, provider_id, data_sealed, expires_at)
      values (${hash}, 'oidc', ${tenantId}, ${signIn.providerId}, ${sealed}, now() + ${SIGN_IN_SECONDS} * interval '1 second')`;
  return { token, keep };
}

type Run = <T>(work: (tx: Tx) => PromiseLike<T>) => Promise<T>;

async function find(services: Services, run: Run, tenantId: string, state: string) {
  const hash = hashSecretToken(state);
  const [row] = await run((tx) =>
    tx<{ data_sealed: string }>`select data_sealed from platform.sign_in_states
    where state_hash = ${hash} and kind = 'oidc' and tenant_id = ${tenantId} and used_at is null and expires_at > now()`
  );
  if (!row) throw again();
  const data: SavedSignIn & { page: string } = JSON.parse(await services.secrets.open(row.data_sealed, scope(hash)));
  return { hash, data };
}

/** Where the browser goes back to with the issuer's answer. Throws `invalid_token` for a sign-in that is not under way. */
export async function redirectOf(
  services: Services,
  run: Run,
  { tenantId, state }: { tenantId: string; state: string },
) {
  return (await find(services, run, tenantId, state)).data.redirect;
}

/** Takes one to finish it; throws `invalid_token` when it is not this page's, or was finished or begun too long ago. */
export async function takeSignIn(
  services: Services,
  run: Run,
  { tenantId, state, token }: { tenantId: string; state: string; token: string },
): Promise<SavedSignIn> {
  const { hash, data } = await find(services, run, tenantId, state);
  if (!timingSafeEqual(Buffer.from(data.page, "hex"), hashSecretToken(token))) throw again();
  const taken = await run((tx) =>
    tx`update platform.sign_in_states set used_at = now() where state_hash = ${hash} and used_at is null returning state_hash`
  );
  if (taken.length === 0) throw again();
  return data;
}

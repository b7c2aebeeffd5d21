// Sign-ins and registrations that wait for one more answer: a second factor, a passkey. The caller carries a random text, the
// platform its hash and, sealed, what it must remember. Each is finished once, within minutes.
import { Buffer } from "node:buffer";
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { hashSecretToken, newSecretToken } from "../../identity/secret_tokens.ts";
import type { Services } from "../services.ts";

/** How long one can be finished. */
export const STATE_SECONDS = 5 * 60;
/** How often somebody may try. */
const MAX_ATTEMPTS = 5;

/** What waits. */
export interface SignInState {
  kind: "passkey" | "mfa" | "operator";
  /** Null where an operator signs in to the platform. */
  tenantId: string | null;
  /** Null where the answer will say who it is. */
  accountId: string | null;
  data: Record<string, unknown>;
}

const scope = (hash: Uint8Array) => ({ purpose: "sign-in", id: Buffer.from(hash).toString("hex") });

/** Begins one. Gives the text for the caller and the statement that keeps it. */
export async function beginState(services: Services, state: SignInState) {
  const { token, hash } = newSecretToken(state.kind === "passkey" ? "bhp" : "bhm");
  const sealed = await services.secrets.seal(JSON.stringify(state.data), scope(hash));
  const keep = (tx: Tx) =>
    tx`with old as (
        delete from platform.sign_in_states where expires_at < now() - interval '1 hour'
      )
      insert into platform.sign_in_states (state_hash, kind, tenant_id, account_id, data_sealed, expires_at)
      values (${hash}, ${state.kind}, ${state.tenantId}, ${state.accountId}, ${sealed},
        now() + ${STATE_SECONDS} * interval '1 second')`;
  return { token, keep };
}

/** One that somebody tries to finish. */
export interface FoundState {
  hash: Uint8Array;
  accountId: string | null;
  data: Record<string, unknown>;
}

/**
 * Counts an attempt to finish one.
 * @throws AppError `invalid_token` when it is unknown, of another tenant or kind, finished, expired, or tried too often.
 */
export async function tryState(
  services: Services,
  run: <T>(work: (tx: Tx) => PromiseLike<T>) => Promise<T>,
  { token, kind, tenantId }: { token: string; kind: SignInState["kind"]; tenantId: string | null },
): Promise<FoundState> {
  const hash = hashSecretToken(token);
  const [found] = await run((tx) =>
    tx<{ account_id: string | null; data_sealed: string }>`update platform.sign_in_states set attempts = attempts + 1
      where state_hash = ${hash} and kind = ${kind} and tenant_id is not distinct from ${tenantId} and used_at is null
        and expires_at > now() and attempts < ${MAX_ATTEMPTS} returning account_id, data_sealed`
  );
  if (!found) throw new AppError("invalid_token", "Begin to sign in again");
  const data = JSON.parse(await services.secrets.open(found.data_sealed, scope(hash)));
  return { hash, accountId: found.account_id, data };
}

/** Finishes one; false when another request was first. */
export function finishState(tx: Tx, hash: Uint8Array) {
  return tx`update platform.sign_in_states set used_at = now() where state_hash = ${hash} and used_at is null
    returning state_hash`.map((rows) => rows.length > 0);
}

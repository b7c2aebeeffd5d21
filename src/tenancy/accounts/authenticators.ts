// What authenticator apps and recovery codes go through, whoever has them: they are begun, confirmed with a first code, and
// checked. Nothing is used up by checking: the caller does that in the transaction that a right code leads to.
import { newId } from "../../db/ids.ts";
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { createRecoveryCodes, type NewRecoveryCodes } from "../../identity/recovery_codes.ts";
import { newTotpSecret, totpUri, verifyTotp } from "../../identity/totp.ts";
import type { Services } from "../services.ts";
import { type Factor, type FactorStore, MAX_FACTORS } from "./factor_store.ts";

/** Uses up what was checked; false when somebody else was first. */
export type UseUp = (tx: Tx) => PromiseLike<boolean>;

/** New recovery codes for an owner. */
export function newRecoveryCodes({ servers }: Services, ownerId: string): NewRecoveryCodes {
  return createRecoveryCodes(servers.masterKey).issue(ownerId);
}

/** Begins to set up an app. Gives what is shown once, and what keeps it (false: there are too many). */
export async function beginTotp(
  { secrets }: Services,
  store: FactorStore,
  { ownerId, name, account }: { ownerId: string; name: string; account: string },
) {
  const [id, secret] = [newId(), newTotpSecret()];
  const sealed = await secrets.seal(secret, store.scope(id));
  return {
    start: { id, secret, uri: totpUri(secret, { issuer: "Bulkhead", account }) },
    keep: (tx: Tx) => store.keepTotp(tx, { id, ownerId, name, sealed }),
  };
}

/**
 * Checks the first code of the app with this id. What comes back refuses like this when another request was first.
 * @throws AppError `not_found` when none with this id waits for it, `unprocessable` when the code is wrong.
 */
export async function confirmTotp(
  { secrets }: Services,
  store: FactorStore,
  { factors, id, code }: { factors: Factor[]; id: string; code: string },
): Promise<UseUp> {
  const factor = factors.find((one) => one.id === id && !one.confirmed);
  if (!factor) throw new AppError("not_found", "Begin to set up the app again");
  const step = verifyTotp(code, await secrets.open(factor.secret_sealed!, store.scope(id)), { lastStep: null });
  if (step === null) throw new AppError("unprocessable", "The code is wrong: check the clock of your device");
  return async (tx) => {
    if (!await store.use(tx, id, step)) throw new AppError("not_found", "Begin to set up the app again");
    return true;
  };
}

/** Keeps a factor, and these recovery codes if there are none. Gives whether there were none. */
export async function keepFactor(
  tx: Tx,
  store: FactorStore,
  { ownerId, keep, hashes }: { ownerId: string; keep: UseUp; hashes: Uint8Array[] },
): Promise<boolean> {
  if (!await keep(tx)) throw tooManyFactors();
  if (await store.countRecoveryCodes(tx, ownerId) > 0) return false;
  await store.replaceRecoveryCodes(tx, ownerId, hashes);
  return true;
}

/** The refusal of one factor too many. */
export function tooManyFactors(): AppError {
  return new AppError("invalid_state", `Remove a factor first: you may have at most ${MAX_FACTORS}`);
}

/** Checks a code of an app; null when it is wrong or was used before. */
export async function checkCode(
  { secrets }: Services,
  store: FactorStore,
  { factors, code }: { factors: Factor[]; code: string },
): Promise<UseUp | null> {
  for (const factor of factors.filter(({ kind }) => kind === "totp")) {
    const secret = await secrets.open(factor.secret_sealed!, store.scope(factor.id));
    const step = verifyTotp(code, secret, { lastStep: factor.counter || null });
    if (step !== null) return (tx) => store.use(tx, factor.id, step);
  }
  return null;
}

/** Checks how a recovery code is spelt; null when it cannot be one. Whether it is one, using it up says. */
export function checkRecoveryCode(
  { servers }: Services,
  store: FactorStore,
  { ownerId, typed }: { ownerId: string; typed: string },
): UseUp | null {
  const hash = createRecoveryCodes(servers.masterKey).hash(ownerId, typed);
  return hash && ((tx) => store.useRecoveryCode(tx, ownerId, hash));
}

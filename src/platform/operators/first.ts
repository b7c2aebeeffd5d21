// The first operator: made when there is none, so that someone can sign in to a new platform.
import type { Services } from "../../tenancy/services.ts";
import { ensureFirstOperator } from "./queries.ts";

/** Makes the first operator if there is none. Returns whether it was made. */
export async function prepareFirstOperator(
  services: Services,
  operator: { email: string; password: string },
): Promise<boolean> {
  const context = { actor: "system", operation: "operators.first", requestId: "", readOnly: false };
  const [{ some }] = await services.doors.asPlatform(
    { ...context, readOnly: true },
    (tx) => tx<{ some: boolean }>`select exists (select from platform.operators) as some`,
  );
  if (some) return false; // hashing takes as long as everything else of a quick start
  const passwordHash = await services.passwords.hash(operator.password);
  return await services.doors.asPlatform(
    context,
    (tx) => ensureFirstOperator(tx, { email: operator.email, passwordHash }),
  );
}

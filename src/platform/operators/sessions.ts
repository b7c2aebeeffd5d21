// What an operator gets who has shown all that was asked for: a token, which is good for setting up a second factor alone
// where the configuration wants one and the operator has none.
import type { Call } from "../../http/route.ts";
import { ACCESS_TOKEN_SECONDS } from "../../identity/tokens.ts";
import type { Versioned } from "./queries.ts";

/** The answer of signing in. Call it only where a second factor was shown, or there is none. */
export async function sessionFor({ services }: Call, operator: Versioned) {
  const { id: operatorId, email, role, access_version: accessVersion, second_factor } = operator;
  const must = services.config.OPERATOR_MFA_REQUIRED === "on" && !second_factor;
  const duty = must ? "enrol_factor" as const : undefined;
  const access_token = await services.tokens.issueOperator({ operatorId, email, role, accessVersion, duty });
  const session = { access_token, token_type: "Bearer" as const, expires_in: ACCESS_TOKEN_SECONDS, operator };
  return duty ? { state: "limited" as const, duty, ...session } : { state: "signed_in" as const, ...session };
}

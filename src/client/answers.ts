// What the ways in answer, as the API documents it (`SignedIn`), and what a program is told of it: never a token.

/** The answer of any way in: `auth.login`, `auth.secondFactor`, `auth.passkeySignIn`, `auth.oidcFinish`, `auth.switch` … */
export type SignedInAnswer =
  | { state: "signed_in"; access_token: string; expires_in: number; refresh_token: string }
  | {
    state: "limited";
    duty: "change_password" | "enrol_factor";
    access_token: string | null;
    expires_in: number;
  }
  | {
    state: "second_factor";
    mfa_token: string;
    expires_in: number;
    factors: ("totp" | "passkey" | "recovery_code")[];
    passkey_options: Record<string, unknown> | null;
  }
  | { state: "cookie"; expires_in: number };

/** A second factor; one of the three. */
export type FactorGiven =
  | { code: string }
  | { recovery_code: string }
  | { passkey: unknown };

/** Where signing in has got to. */
export type SignInStep =
  /** Done: requests carry a token from here on. */
  | { state: "signed_in" }
  /**
   * Requests carry a token that is good for one thing. "change_password": call `changePassword()`. "enrol_factor": set a
   * factor up with your generated client, and give its `signed_in` to `adopt()`.
   */
  | { state: "limited"; duty: "change_password" | "enrol_factor" }
  /** Call `finish()` with a factor within `expiresIn` seconds; after a wrong one it may be called again. */
  | {
    state: "second_factor";
    factors: ("totp" | "passkey" | "recovery_code")[];
    /** For `navigator.credentials.get()`; null when there is no passkey. */
    passkeyOptions: Record<string, unknown> | null;
    expiresIn: number;
    /** @throws ProblemError `invalid_credentials` for a wrong factor, `invalid_token` when it is too late. */
    finish(given: FactorGiven): Promise<SignInStep>;
  };

// The table of contents of signing in: which routes there are, for anyone who names a tenant and for members.
import * as factors from "./factors.ts";
import * as passkeys from "./passkeys.ts";
import * as passwords from "./passwords.ts";
import * as secondFactor from "./second_factor.ts";
import * as signingIn from "./signing_in.ts";
import * as switching from "./switching.ts";

/** For anyone who names a tenant. */
export const openRoutes = [
  ...signingIn.openRoutes,
  ...secondFactor.openRoutes,
  ...passkeys.openRoutes,
  ...passwords.openRoutes,
];

/** For members. */
export const routes = [
  ...signingIn.routes,
  ...switching.routes,
  ...passwords.routes,
  ...factors.routes,
  ...passkeys.routes,
];

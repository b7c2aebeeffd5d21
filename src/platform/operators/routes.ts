// The table of contents of operators: which routes there are, for everyone and for operators.
import type { Route } from "../../http/route.ts";
import * as changing from "./changing.ts";
import * as keys from "./keys.ts";
import * as signingIn from "./signing_in.ts";

/** Routes for everyone. */
export const openRoutes: Route[] = [signingIn.logIn, signingIn.setPassword];
/** Routes for operators; `me` stands before the path with an id. */
export const staffRoutes: Route[] = [
  signingIn.me,
  signingIn.changePassword,
  changing.list,
  changing.get,
  changing.create,
  changing.update,
  changing.sendLink,
  ...keys.routes,
];

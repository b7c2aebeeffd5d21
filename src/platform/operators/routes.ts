// The table of contents of operators: which routes there are, for everyone and for operators.
import type { Route } from "../../http/route.ts";
import * as changing from "./changing.ts";
import * as factors from "./factors.ts";
import * as keys from "./keys.ts";
import { secondFactor } from "./second_factor.ts";
import * as signingIn from "./signing_in.ts";

/** Routes for everyone. */
export const openRoutes: Route[] = [signingIn.logIn, secondFactor, signingIn.setPassword];
/** Routes for operators; `me` and `factors` stand before the path with an id. */
export const staffRoutes: Route[] = [
  signingIn.me,
  signingIn.changePassword,
  ...factors.routes,
  changing.list,
  changing.get,
  changing.create,
  changing.update,
  changing.sendLink,
  ...keys.routes,
];

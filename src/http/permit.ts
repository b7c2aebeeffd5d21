// Whether a caller may call a route: the kind of caller, the permission over CASL, the operator's role. Nothing is loaded here;
// that what is decided by is still in force, the database says with the first statement.
import { AppError } from "../errors.ts";
import { allows } from "../identity/abilities.ts";
import type { Principal } from "../identity/principal.ts";
import type { Route } from "./route.ts";

/** Whether the caller must do something else first. */
export function isHeldUp(route: Route, principal: Principal): boolean {
  const duty = principal.kind === "member" || principal.kind === "operator" ? principal.duty : null;
  return !!duty && !route.during?.includes(duty);
}

/** @throws AppError `forbidden`, `password_change_required`, `mfa_required`. */
export function permit(route: Route, principal: Principal): void {
  if (isHeldUp(route, principal)) {
    if (principal.kind === "member" && principal.duty === "change_password") {
      throw new AppError("password_change_required");
    }
    const who = principal.kind === "member" ? "This tenant" : "The platform";
    throw new AppError("mfa_required", `${who} wants a second factor: set one up first`);
  }
  if (principal.kind === "operator") {
    if (route.people && principal.keyId !== null) {
      throw new AppError("forbidden", "A key cannot do this: sign in yourself");
    }
    if (!route.roles || route.roles.includes(principal.role)) return;
    throw new AppError("forbidden", `This needs the role ${route.roles.join(" or ")}; yours is ${principal.role}`);
  }
  if (route.callers && !route.callers.includes(principal.kind)) {
    throw new AppError("forbidden", `This is for ${route.callers.join("s and ")}s only`);
  }
  if (route.can && !allows(principal.permissions, route.can)) {
    throw new AppError("forbidden", `This needs the permission "${route.can}"`);
  }
  if (principal.kind !== "impersonator" || !principal.readOnly || route.leaves) return;
  if (!(route.readOnly ?? route.method === "get")) {
    throw new AppError("forbidden", "This visit may only look");
  }
}

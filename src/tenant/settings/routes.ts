// The API of a tenant's settings: how people get in.
import { AppError } from "../../errors.ts";
import { route } from "../../http/route.ts";
import { giveRole, lockAccess } from "../roles/granting.ts";
import { accessSettings, accessSettingsChange } from "./model.ts";
import { endSessionsWithoutFactor, getAccessSettings, putAccessSettings } from "./queries.ts";

const tag = "Settings";

const getAccess = route({
  operation: "settings.getAccess",
  method: "get",
  path: "/v1/settings/access",
  summary: "Show how people get in",
  tag,
  can: "settings.view",
  answer: accessSettings,
  handler: (call) => call.asTenant(getAccessSettings),
});

const updateAccess = route({
  operation: "settings.updateAccess",
  method: "patch",
  path: "/v1/settings/access",
  summary: "Change how people get in",
  description:
    "Requiring a second factor ends every session that was opened without one: sign in with yours first. The " +
    "default role can hold only what the caller holds.",
  tag,
  can: "settings.edit",
  body: accessSettingsChange,
  answer: accessSettings,
  handler: (call) =>
    call.asTenant(async (tx) => {
      await lockAccess(tx);
      const before = await getAccessSettings(tx);
      const wanted = { ...before, ...call.body };
      if (wanted.default_role !== before.default_role) await giveRole(tx, call, wanted.default_role);
      const turnedOn = wanted.mfa_required && !before.mfa_required;
      if (turnedOn && call.memberId && !call.member.mfa) {
        throw new AppError("mfa_required", "Sign in with a second factor first, or you would shut yourself out");
      }
      await putAccessSettings(tx, wanted);
      if (turnedOn) await endSessionsWithoutFactor(tx);
      return wanted;
    }),
});

export const routes = [getAccess, updateAccess];

// Statements on tenant.access_settings. No row means the defaults.
import type { Tx } from "../../db/sql.ts";
import { one } from "../statements.ts";
import type { AccessSettings } from "./model.ts";

/** The settings as they hold. */
export function getAccessSettings(tx: Tx) {
  return tx<AccessSettings>`select coalesce(s.default_role, 'member') as default_role,
      coalesce(s.mfa_required, false) as mfa_required
    from (select) nothing left join tenant.access_settings s on true`.map(one);
}

/** Writes the settings. */
export function putAccessSettings(tx: Tx, { default_role, mfa_required }: AccessSettings) {
  return tx`insert into tenant.access_settings (default_role, mfa_required) values (${default_role}, ${mfa_required})
    on conflict (tenant_id) do update set default_role = excluded.default_role, mfa_required = excluded.mfa_required,
      updated_at = now()`;
}

/** Ends every session that was opened without a second factor; their tokens stop at their next statement. */
export function endSessionsWithoutFactor(tx: Tx) {
  return tx`with ended as (
      update tenant.sessions set revoked_at = now(), revoked_reason = 'mfa'
      where not mfa and revoked_at is null returning member_id
    )
    update tenant.members set access_version = access_version + 1 where id in (select member_id from ended)`;
}

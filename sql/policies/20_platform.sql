-- Rights in the schema platform: one paragraph a table. Grants name columns; nothing is granted that no code uses.
-- Desired state, re-applied whole at each rollout, in one transaction. Locks: rows of the catalogue only.
-- The queue's login has no right here. No RLS: the platform's login serves all tenants, its rows are not theirs.
-- History (events, tenants, applications, placements) has no DELETE: what happened stays told.

set local role :"owner";
grant usage on schema platform to :"platform_login";
revoke all on schema platform from public;
revoke all on all tables in schema platform from public, :"platform_login";
revoke all on all sequences in schema platform from public, :"platform_login";
revoke all on all routines in schema platform from public, :"platform_login";

grant select on platform.servers to :"platform_login";
grant insert (id, name, kind, host, port, tls_mode, tls_ca, admin_user, admin_secret, server_version_num)
  on platform.servers to :"platform_login";
grant update (host, port, tls_mode, tls_ca, admin_user, admin_secret, server_version_num) on platform.servers to :"platform_login";
-- No UPDATE of kind: a customer's server never becomes ours.

grant select on platform.placements to :"platform_login";
grant insert (id, server_id, kind, database_name, tenant_login, owner_role, keeper_role, key_id, state, ready_at)
  on platform.placements to :"platform_login";
grant update (key_id, state, ready_at) on platform.placements to :"platform_login";
-- No UPDATE of the names: they are derived from the id, and rows live behind them.

grant select on platform.tenants to :"platform_login";
grant insert (id, slug, name, status, status_reason, status_actor, tier, placement_id, plan, contact_name, contact_email, time_zone, locale, currency)
  on platform.tenants to :"platform_login";
grant update (name, status, status_reason, status_actor, status_changed_at, tier, placement_id, plan, contact_name, contact_email, time_zone, locale, currency, deleted_at,
    signing_version, signing_previous_until)
  on platform.tenants to :"platform_login";
-- No UPDATE of slug (given out once) and version (the trigger's).

grant select, delete on platform.domains to :"platform_login";
grant insert (id, tenant_id, host, is_primary, verified_at) on platform.domains to :"platform_login";
grant update (is_primary, verified_at) on platform.domains to :"platform_login";

grant select, delete on platform.origins to :"platform_login";
grant insert (origin, tenant_id) on platform.origins to :"platform_login";
-- No UPDATE: an origin is listed or not.

grant select on platform.audit_checkpoints to :"platform_login";
grant insert (tenant_id, seq, hash) on platform.audit_checkpoints to :"platform_login";
grant update (seq, hash, noted_at) on platform.audit_checkpoints to :"platform_login";
-- No DELETE: a tenant whose audit was once longer stays known for that.

grant select on platform.operators to :"platform_login";
grant insert (id, email, password_hash, first_name, last_name, role, status) on platform.operators to :"platform_login";
grant update (password_hash, first_name, last_name, role, status, last_login_at, access_version) on platform.operators to :"platform_login";
-- No UPDATE of the address: it is whose links were mailed there. No DELETE: who decided what stays told.

grant select on platform.operator_tokens to :"platform_login";
grant insert (token_hash, operator_id, expires_at) on platform.operator_tokens to :"platform_login";
grant update (used_at) on platform.operator_tokens to :"platform_login";

grant select on platform.accounts to :"platform_login";
grant insert (id, email_digest, password_hash, must_change_password, password_changed_at) on platform.accounts to :"platform_login";
grant update (password_hash, must_change_password, status, sessions_after, password_changed_at, last_login_at) on platform.accounts to :"platform_login";
-- No UPDATE of the digest: an account stays that of the address that was proven.

grant select, delete on platform.memberships to :"platform_login";
grant insert (account_id, tenant_id, member_id) on platform.memberships to :"platform_login";
grant update (member_id) on platform.memberships to :"platform_login";

grant select, delete on platform.account_tokens to :"platform_login";
grant insert (token_hash, purpose, email_digest, tenant_id, member_id, invitation_id, expires_at) on platform.account_tokens to :"platform_login";
grant update (used_at) on platform.account_tokens to :"platform_login";

grant select, delete on platform.login_failures to :"platform_login";
grant insert (key, failures, last_failure_at, locked_until) on platform.login_failures to :"platform_login";
grant update (failures, last_failure_at, locked_until) on platform.login_failures to :"platform_login";

grant select, delete on platform.account_factors to :"platform_login";
grant insert (id, account_id, kind, name, secret_sealed, credential_id, public_key, counter, transports) on platform.account_factors to :"platform_login";
grant update (name, counter, confirmed_at, last_used_at) on platform.account_factors to :"platform_login";

grant select, delete on platform.recovery_codes to :"platform_login";
grant insert (account_id, code_hash) on platform.recovery_codes to :"platform_login";
grant update (used_at) on platform.recovery_codes to :"platform_login";

grant select, delete on platform.sign_in_states to :"platform_login";
grant insert (state_hash, kind, tenant_id, account_id, provider_id, data_sealed, expires_at) on platform.sign_in_states to :"platform_login";
grant update (attempts, used_at) on platform.sign_in_states to :"platform_login";

grant select on platform.operator_keys to :"platform_login";
grant insert (id, operator_id, name, hint, key_hash, role, expires_at, replaces) on platform.operator_keys to :"platform_login";
grant update (name, expires_at, last_used_at, revoked_at) on platform.operator_keys to :"platform_login";

grant select, delete on platform.operator_factors to :"platform_login";
grant insert (id, operator_id, kind, name, secret_sealed) on platform.operator_factors to :"platform_login";
grant update (counter, confirmed_at, last_used_at) on platform.operator_factors to :"platform_login";
-- No UPDATE of operator and secret: a factor stays whose it is.

grant select, delete on platform.operator_recovery_codes to :"platform_login";
grant insert (operator_id, code_hash) on platform.operator_recovery_codes to :"platform_login";
grant update (used_at) on platform.operator_recovery_codes to :"platform_login";

grant select on platform.impersonations to :"platform_login";
grant insert (id, tenant_id, operator_id, reason, read_only, token_hash, token_expires_at, expires_at) on platform.impersonations to :"platform_login";
grant update (used_at, ended_at) on platform.impersonations to :"platform_login";
-- No DELETE: who visited whom stays told.

grant select on platform.applications to :"platform_login";
grant insert (id, organization_name, slug, contact_first_name, contact_last_name, contact_email, time_zone, locale, currency, requested_tier,
  byo_host, byo_port, byo_database, byo_user, byo_password_sealed, byo_tls_mode, byo_tls_ca, notes)
  on platform.applications to :"platform_login";
grant update (status, tier, reviewer_id, review_notes, reviewed_at, tenant_id, failure, lease_holder, lease_until, byo_password_sealed)
  on platform.applications to :"platform_login";
-- No UPDATE of what the organisation wrote.

grant select on platform.provisioning_steps to :"platform_login";
grant insert (tenant_id, step, position) on platform.provisioning_steps to :"platform_login";
grant update (state, attempts, started_at, finished_at, duration_ms, error) on platform.provisioning_steps to :"platform_login";

grant select on platform.events to :"platform_login";
grant insert (id, type, tenant_id, application_id, actor, data) on platform.events to :"platform_login";
-- No UPDATE, no DELETE: events are appended.

grant select, delete on platform.idempotency_keys to :"platform_login";
grant insert (scope, key, operation, request_hash) on platform.idempotency_keys to :"platform_login";
grant update (status, response) on platform.idempotency_keys to :"platform_login";

grant select, delete on platform.providers to :"platform_login";
grant insert (id, name, country) on platform.providers to :"platform_login";
grant update (name, country) on platform.providers to :"platform_login";

grant select, delete on platform.tariffs to :"platform_login";
grant insert (id, provider_id, name, utility, currency, unit, valid_from, valid_to) on platform.tariffs to :"platform_login";
grant update (name, utility, currency, unit, valid_from, valid_to) on platform.tariffs to :"platform_login";

grant select, delete on platform.tariff_zones to :"platform_login";
grant insert (tariff_id, zone, price) on platform.tariff_zones to :"platform_login";
grant update (price) on platform.tariff_zones to :"platform_login";

grant select on platform.plans to :"platform_login";
-- No UPDATE: what plans allow is changed by an administrator of the database.

grant select, delete on platform.rate_windows to :"platform_login";
grant insert (key, started_at, used, granted) on platform.rate_windows to :"platform_login";
grant update (started_at, used, granted) on platform.rate_windows to :"platform_login";
grant execute on function platform.grantable(int, int, int) to :"platform_login";
grant execute on function platform.take_allowances(text[], int[], int[], int[], int) to :"platform_login";
grant execute on function platform.give_back_allowances(text[], text[], int[]) to :"platform_login";

-- Asked by the statement that every transaction on the platform begins with: whether an operator's token, key or visit inside
-- a tenant is still in force. A visit ends with what its operator may do, whatever its tenant's placement says.
create or replace function platform.check_access(kind text, subject uuid, version int) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if kind = 'operator' then
    perform from platform.operators where id = subject and status = 'active' and access_version = version;
  elsif kind = 'operator_key' then
    perform from platform.operator_keys k join platform.operators o on o.id = k.operator_id
    where k.id = subject and k.revoked_at is null and (k.expires_at is null or k.expires_at > clock_timestamp())
      and o.status = 'active' and o.access_version = version and (o.role = 'superadmin' or o.role = k.role);
  elsif kind = 'visit' then
    perform from platform.impersonations i join platform.operators o on o.id = i.operator_id
    where i.id = subject and i.used_at is not null and i.ended_at is null and i.expires_at > clock_timestamp()
      and o.status = 'active' and (o.role = 'superadmin' or (o.role = 'support' and i.read_only));
  else
    return;
  end if;
  if not found then
    raise exception using errcode = 'BH002', message = 'access has changed';
  end if;
end
$$;
comment on function platform.check_access(text, uuid, int) is 'Raises BH002 unless the operator''s token, key or visit is still in force';
revoke all on function platform.check_access(text, uuid, int) from public;
grant execute on function platform.check_access(text, uuid, int) to :"platform_login";

reset role;

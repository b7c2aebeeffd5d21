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
grant update (name, status, status_reason, status_actor, status_changed_at, tier, placement_id, plan, contact_name, contact_email, time_zone, locale, currency, deleted_at)
  on platform.tenants to :"platform_login";
-- No UPDATE of slug (given out once) and version (the trigger's).

grant select, delete on platform.domains to :"platform_login";
grant insert (id, tenant_id, host, is_primary, verified_at) on platform.domains to :"platform_login";
grant update (is_primary, verified_at) on platform.domains to :"platform_login";

grant select on platform.operators to :"platform_login";
grant insert (id, email, password_hash, first_name, last_name, role, status) on platform.operators to :"platform_login";
grant update (email, password_hash, first_name, last_name, role, status, last_login_at) on platform.operators to :"platform_login";

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

reset role;

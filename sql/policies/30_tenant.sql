-- Rights in the tenant schema: one paragraph a table. A table without its paragraph stops the rollout (90_proof.sql).
-- Desired state, re-applied whole at each rollout, in one transaction. Locks: short exclusive locks on tenant tables.
-- Grants name columns. tenant_id is never grantable: the database sets it.

set local role :"owner";
comment on schema tenant is 'What belongs to tenants: people, jobs and the sample domain. Every row carries its tenant_id.';
grant usage on schema tenant to :"tenant_login";
revoke all on all tables in schema tenant from public, :"tenant_login";
revoke all on all sequences in schema tenant from public, :"tenant_login";
revoke all on all routines in schema tenant from public, :"tenant_login";

call app.isolate('tenant.members');
grant select on tenant.members to :"tenant_login";
grant insert (id, first_name, last_name, email, role, status, account_id, locale, metadata, links_sent) on tenant.members to :"tenant_login";
grant update (first_name, last_name, email, role, status, account_id, access_version, locale, metadata, links_sent, last_login_at, updated_at, deleted_at) on tenant.members to :"tenant_login";
-- No DELETE: members are removed by deleted_at, what they did stays attributable.

call app.isolate('tenant.sessions');
grant select, delete on tenant.sessions to :"tenant_login";
grant insert (id, member_id, refresh_hash, expires_at, kind, mfa, address, agent) on tenant.sessions to :"tenant_login";
grant update (refresh_hash, previous_hash, refreshed_at, expires_at, revoked_at, revoked_reason) on tenant.sessions to :"tenant_login";
comment on column tenant.sessions.previous_hash is 'SHA-256 of the one before: it may come again just after it was used; later, as any older one, it was stolen, and the session ends';

call app.isolate('tenant.roles');
grant select, delete on tenant.roles to :"tenant_login";
grant insert (key, name, description, permissions, includes, effective, units_only) on tenant.roles to :"tenant_login";
grant update (name, description, permissions, includes, effective, units_only, updated_at) on tenant.roles to :"tenant_login";

call app.isolate('tenant.access_settings');
grant select on tenant.access_settings to :"tenant_login";
grant insert (default_role, mfa_required) on tenant.access_settings to :"tenant_login";
grant update (default_role, mfa_required, updated_at) on tenant.access_settings to :"tenant_login";

call app.isolate('tenant.units');
grant select, delete on tenant.units to :"tenant_login";
grant insert (name, parent_id) on tenant.units to :"tenant_login";
grant update (name, parent_id, updated_at) on tenant.units to :"tenant_login";

call app.isolate('tenant.member_units');
grant select, delete on tenant.member_units to :"tenant_login";
grant insert (member_id, unit_id) on tenant.member_units to :"tenant_login";

call app.isolate('tenant.invitations');
grant select on tenant.invitations to :"tenant_login";
grant insert (id, email, role, unit_ids, locale, message, invited_by, expires_at) on tenant.invitations to :"tenant_login";
grant update (role, unit_ids, locale, message, status, sends, sent_at, expires_at, accepted_at, member_id, updated_at) on tenant.invitations to :"tenant_login";
-- No UPDATE of the address: the link that was mailed is for it. No DELETE: who was invited stays told.

call app.isolate('tenant.api_keys');
grant select on tenant.api_keys to :"tenant_login";
grant insert (id, name, hint, key_hash, permissions, requests_per_minute, created_by, expires_at, replaces) on tenant.api_keys to :"tenant_login";
grant update (name, permissions, requests_per_minute, expires_at, last_used_at, revoked_at, access_version, updated_at) on tenant.api_keys to :"tenant_login";
-- No UPDATE of the hash, no DELETE: what a key did stays attributable.

call app.isolate('tenant.impersonations');
grant select on tenant.impersonations to :"tenant_login";
grant insert (id, operator_id, operator_email, reason, read_only, expires_at) on tenant.impersonations to :"tenant_login";
grant update (ended_at, access_version) on tenant.impersonations to :"tenant_login";
-- Nothing else is changed, and no DELETE: the tenant sees who was there.

call app.isolate('tenant.identity_providers');
grant select, delete on tenant.identity_providers to :"tenant_login";
grant insert (id, name, issuer, client_id, client_secret_sealed, audience, jwks_uri, claims, email_domains, joins, join_role, enabled)
  on tenant.identity_providers to :"tenant_login";
grant update (name, client_id, client_secret_sealed, audience, jwks_uri, claims, email_domains, joins, join_role, enabled, updated_at)
  on tenant.identity_providers to :"tenant_login";

call app.isolate('tenant.identities');
grant select, delete on tenant.identities to :"tenant_login";
grant insert (provider_id, subject, member_id) on tenant.identities to :"tenant_login";
grant update (last_login_at) on tenant.identities to :"tenant_login";

call app.isolate('tenant.jobs');
grant select on tenant.jobs to :"tenant_login";
grant insert (id, kind, params, created_by) on tenant.jobs to :"tenant_login";
grant update (status, progress, note, result, error_code, error, attempts, relayed_at, started_at, finished_at) on tenant.jobs to :"tenant_login";
-- No UPDATE of kind and params: what was asked for stays as it was asked. No INSERT of actor: it is the signed one.
-- No DELETE: the history is kept.

call app.isolate('tenant.idempotency_keys');
grant select, delete on tenant.idempotency_keys to :"tenant_login";
grant insert (member_id, key, operation, request_hash) on tenant.idempotency_keys to :"tenant_login";
grant update (status, response) on tenant.idempotency_keys to :"tenant_login";

call app.isolate('tenant.locks');
grant select on tenant.locks to :"tenant_login";
grant insert (name) on tenant.locks to :"tenant_login";
grant update (name) on tenant.locks to :"tenant_login";

-- Who is let in, and which version of their rights is in force, is what app.tenant_id() looks up with each statement: a
-- changed role, a revoked session or key bites at the next one and costs no round trip of its own.
create or replace trigger note_access after insert or delete or update of tenant_id, id, status, deleted_at, access_version on tenant.members
  for each row execute function app.note_access();
create or replace trigger note_access after insert or delete or update of tenant_id, id, revoked_at, expires_at, access_version on tenant.api_keys
  for each row execute function app.note_access();
create or replace trigger note_access after insert or delete or update of tenant_id, id, ended_at, expires_at, access_version on tenant.impersonations
  for each row execute function app.note_access();

reset role;

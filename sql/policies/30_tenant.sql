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
grant insert (id, first_name, last_name, email, password_hash, role, status, must_change_password, metadata) on tenant.members to :"tenant_login";
grant update (first_name, last_name, email, password_hash, role, status, must_change_password, metadata, last_login_at, updated_at, deleted_at) on tenant.members to :"tenant_login";
-- No DELETE: members are removed by deleted_at, what they did stays attributable.

call app.isolate('tenant.sessions');
grant select, delete on tenant.sessions to :"tenant_login";
grant insert (id, member_id, refresh_hash, expires_at) on tenant.sessions to :"tenant_login";
grant update (refresh_hash, previous_hash, refreshed_at, expires_at, revoked_at, revoked_reason) on tenant.sessions to :"tenant_login";

call app.isolate('tenant.setup_tokens');
grant select, delete on tenant.setup_tokens to :"tenant_login";
grant insert (member_id, token_hash, expires_at) on tenant.setup_tokens to :"tenant_login";
grant update (used_at) on tenant.setup_tokens to :"tenant_login";

call app.isolate('tenant.jobs');
grant select on tenant.jobs to :"tenant_login";
grant insert (id, kind, params, created_by) on tenant.jobs to :"tenant_login";
grant update (status, progress, note, result, error_code, error, attempts, relayed_at, started_at, finished_at) on tenant.jobs to :"tenant_login";
-- No UPDATE of kind and params: what was asked for stays as it was asked. No DELETE: the history is kept.

call app.isolate('tenant.idempotency_keys');
grant select, delete on tenant.idempotency_keys to :"tenant_login";
grant insert (member_id, key, operation, request_hash) on tenant.idempotency_keys to :"tenant_login";
grant update (status, response) on tenant.idempotency_keys to :"tenant_login";

reset role;

-- Rights in the queue's schema (pg-boss 12). Runs in the platform database after pg-boss made its tables.
-- Desired state, re-applied whole. Locks: none on rows. The tenant logins have no right here at all (R11).

revoke all on schema pgboss from public;
revoke all on all tables in schema pgboss from public, :"platform_login", :"queue_login";
revoke all on all routines in schema pgboss from public;
grant usage on schema pgboss to :"platform_login", :"queue_login";

-- The queue's own login works the queue: it reads, moves and deletes jobs, but makes no table.
grant select, insert, update, delete on all tables in schema pgboss to :"queue_login";
grant execute on all routines in schema pgboss to :"queue_login";

-- The control plane only adds jobs, inside the transaction of the change that asks for them.
grant select on pgboss.queue to :"platform_login";
grant insert on pgboss.job, pgboss.job_common to :"platform_login";
grant select (id, start_after) on pgboss.job, pgboss.job_common to :"platform_login";
grant execute on function pgboss.job_now() to :"platform_login";

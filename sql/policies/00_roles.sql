-- The roles of a server, cluster-wide. Run by an administrator of the server (a superuser, or a login with CREATEROLE),
-- once per rollout. Passwords are not here: the rollout sets them as ready-made SCRAM verifiers.
-- Locks: rows of pg_authid only. Undo: `drop owned by …; drop role …` once nothing uses them.
--
--   owner     NOLOGIN  owns the schemas tenant, reference and platform; nobody can connect as the one who may lift RLS
--   keeper    NOLOGIN  owns schema app (the context's keys and the gates) and nothing else
--   tenant    LOGIN    what requests and jobs run as: no membership, owns nothing, creates nothing (R1)
--   platform  LOGIN    the control plane
--   queue     LOGIN    the queue
--   migrator  LOGIN    rollouts and provisioning only; never used by a request
-- None has SUPERUSER, BYPASSRLS or REPLICATION; 90_proof.sql fails the rollout if one does.

select set_config('bulkhead.roles', jsonb_build_object(
  'owner', :'owner', 'keeper', :'keeper', 'tenant', :'tenant_login',
  'platform', :'platform_login', 'queue', :'queue_login', 'migrator', :'migrator')::text, true);

do $roles$
declare
  names jsonb := current_setting('bulkhead.roles')::jsonb;
  attributes jsonb := '{
    "owner": "nologin", "keeper": "nologin",
    "tenant": "login noinherit connection limit 100", "platform": "login noinherit", "queue": "login noinherit",
    "migrator": "login noinherit createdb createrole"}';
  word text;
begin
  for word in select jsonb_object_keys(attributes) loop
    if not exists (select from pg_roles where rolname = names ->> word) then
      execute format('create role %I %s', names ->> word, attributes ->> word);
    end if;
    -- Only what this login may change itself: a managed server's administrator cannot touch SUPERUSER or BYPASSRLS.
    execute format('alter role %I %s', names ->> word, attributes ->> word);
  end loop;
  -- The migrator acts as owner and keeper by SET ROLE, statement by statement; it inherits nothing.
  execute format('grant %I, %I to %I', names ->> 'owner', names ->> 'keeper', names ->> 'migrator');
  if not pg_has_role(current_user, names ->> 'owner', 'MEMBER') then
    execute format('grant %I, %I to current_user', names ->> 'owner', names ->> 'keeper');
  end if;
end
$roles$;

-- A hostile session could raise these again (statement_timeout is only a default): the door's deadline is what holds.
alter role :"tenant_login" set statement_timeout = '60s';
alter role :"tenant_login" set idle_in_transaction_session_timeout = '60s';
alter role :"tenant_login" set lock_timeout = '10s';
alter role :"tenant_login" set client_connection_check_interval = '10s';
alter role :"platform_login" set statement_timeout = '60s';
alter role :"platform_login" set idle_in_transaction_session_timeout = '60s';
alter role :"platform_login" set client_connection_check_interval = '10s';

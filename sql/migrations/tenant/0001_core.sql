-- The tenant plane's core: members and how they sign in, jobs, idempotency keys. Shape only; rights are in sql/policies.
-- Locks: creates new tables only. Undo: drop the tables in reverse order (only while no tenant lives here).
-- Every key leads with tenant_id: row-level security does not guard foreign keys and unique indexes, keys do (R4).

create table tenant.members (
  tenant_id uuid not null,
  id uuid not null default app.uuid_v7(),
  first_name text not null check (length(first_name) between 1 and 100),
  last_name text not null check (length(last_name) between 1 and 100),
  email text not null check (length(email) between 3 and 254),
  email_key text not null generated always as (lower(email)) stored,
  password_hash text,
  role text not null default 'member' check (role in ('admin', 'manager', 'member')),
  status text not null default 'pending' check (status in ('pending', 'active', 'inactive', 'suspended', 'archived')),
  must_change_password boolean not null default false,
  metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
  last_login_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz,
  primary key (tenant_id, id)
);
create unique index members_email on tenant.members (tenant_id, email_key) where deleted_at is null;
create index members_by_name on tenant.members (tenant_id, last_name, id) where deleted_at is null;
create index members_by_created on tenant.members (tenant_id, created_at, id) where deleted_at is null;
comment on table tenant.members is 'People of a tenant';
comment on column tenant.members.id is 'Identifier, UUID v7';
comment on column tenant.members.first_name is 'Given name';
comment on column tenant.members.last_name is 'Family name';
comment on column tenant.members.email is 'Address as typed; unique within the tenant without regard to case';
comment on column tenant.members.email_key is 'Address in lower case, what sign-in looks up';
comment on column tenant.members.password_hash is 'argon2id in PHC format; null until a password was set';
comment on column tenant.members.role is 'admin, manager or member';
comment on column tenant.members.status is 'pending until a password was set; only active members may sign in';
comment on column tenant.members.must_change_password is 'Whether a new password must be set before anything else';
comment on column tenant.members.metadata is 'Free data of the application, a JSON object';
comment on column tenant.members.last_login_at is 'When the member last signed in';
comment on column tenant.members.created_at is 'When the row was made';
comment on column tenant.members.updated_at is 'When the row was last changed';
comment on column tenant.members.deleted_at is 'When the member was removed; the row stays for the records';

create table tenant.sessions (
  tenant_id uuid not null,
  id uuid not null default app.uuid_v7(),
  member_id uuid not null,
  refresh_hash bytea not null,
  previous_hash bytea,
  created_at timestamptz not null default now(),
  refreshed_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  revoked_reason text,
  primary key (tenant_id, id),
  foreign key (tenant_id, member_id) references tenant.members (tenant_id, id) on delete cascade
);
create index sessions_by_member on tenant.sessions (tenant_id, member_id);
comment on table tenant.sessions is 'Signed-in sessions: one row a sign-in, its refresh token rotates at each use';
comment on column tenant.sessions.id is 'Identifier, UUID v7; part of the refresh token and of the access token';
comment on column tenant.sessions.member_id is 'Who signed in';
comment on column tenant.sessions.refresh_hash is 'SHA-256 of the refresh token that is valid now';
comment on column tenant.sessions.previous_hash is 'SHA-256 of the one before: if it comes again it was stolen, and the session ends';
comment on column tenant.sessions.created_at is 'When the member signed in';
comment on column tenant.sessions.refreshed_at is 'When the token was last rotated';
comment on column tenant.sessions.expires_at is 'When the session ends if it is not refreshed';
comment on column tenant.sessions.revoked_at is 'When it was ended; null while it is live';
comment on column tenant.sessions.revoked_reason is 'logout, reuse, password';

create table tenant.setup_tokens (
  tenant_id uuid not null,
  id uuid not null default app.uuid_v7(),
  member_id uuid not null,
  token_hash bytea not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  primary key (tenant_id, id),
  unique (tenant_id, token_hash),
  foreign key (tenant_id, member_id) references tenant.members (tenant_id, id) on delete cascade
);
create index setup_tokens_by_member on tenant.setup_tokens (tenant_id, member_id);
comment on table tenant.setup_tokens is 'Single-use links by which a member sets the first password';
comment on column tenant.setup_tokens.id is 'Identifier, UUID v7';
comment on column tenant.setup_tokens.member_id is 'Whose password it sets';
comment on column tenant.setup_tokens.token_hash is 'SHA-256 of the token; the token itself is only in the mail';
comment on column tenant.setup_tokens.created_at is 'When it was sent';
comment on column tenant.setup_tokens.expires_at is 'Until when it can be used';
comment on column tenant.setup_tokens.used_at is 'When it was used or replaced';

create table tenant.jobs (
  tenant_id uuid not null,
  id uuid not null default app.uuid_v7(),
  kind text not null,
  status text not null default 'queued' check (status in ('queued', 'running', 'succeeded', 'failed')),
  params jsonb not null default '{}',
  progress numeric(5, 4) not null default 0 check (progress between 0 and 1),
  note text,
  result jsonb,
  error_code text,
  error text,
  attempts int not null default 0,
  created_by uuid,
  relayed_at timestamptz,
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz,
  primary key (tenant_id, id)
);
create index jobs_by_created on tenant.jobs (tenant_id, created_at, id);
create index jobs_to_relay on tenant.jobs (tenant_id, id) where relayed_at is null;
comment on table tenant.jobs is 'Jobs of a tenant, and the outbox to the queue: a row is written with the change that asks for it';
comment on column tenant.jobs.id is 'Identifier, UUID v7; the same in the queue';
comment on column tenant.jobs.kind is 'Which job, for example invoices.run';
comment on column tenant.jobs.status is 'queued, running, succeeded or failed';
comment on column tenant.jobs.params is 'What was asked for';
comment on column tenant.jobs.progress is 'Share done, 0 to 1';
comment on column tenant.jobs.note is 'What it is doing now, for people';
comment on column tenant.jobs.result is 'What came out, when it succeeded';
comment on column tenant.jobs.error_code is 'Stable code of the failure';
comment on column tenant.jobs.error is 'What went wrong, for people; carries no secrets';
comment on column tenant.jobs.attempts is 'How often it was started';
comment on column tenant.jobs.created_by is 'The member who asked for it';
comment on column tenant.jobs.relayed_at is 'When it was handed to the queue; null while it waits for the relay';
comment on column tenant.jobs.created_at is 'When it was asked for';
comment on column tenant.jobs.started_at is 'When it was last started';
comment on column tenant.jobs.finished_at is 'When it ended';

create table tenant.idempotency_keys (
  tenant_id uuid not null,
  member_id uuid not null,
  key text not null check (length(key) between 1 and 200),
  operation text not null,
  request_hash bytea not null,
  status int,
  response jsonb,
  created_at timestamptz not null default now(),
  primary key (tenant_id, member_id, key)
);
comment on table tenant.idempotency_keys is 'Answers kept by Idempotency-Key, so that a repeated create gives the first answer again';
comment on column tenant.idempotency_keys.member_id is 'Who sent it';
comment on column tenant.idempotency_keys.key is 'The key that the client chose';
comment on column tenant.idempotency_keys.operation is 'Which operation it was sent to';
comment on column tenant.idempotency_keys.request_hash is 'HMAC-SHA-256 of path, query and body: the same key with another request is refused';
comment on column tenant.idempotency_keys.status is 'HTTP status of the first answer';
comment on column tenant.idempotency_keys.response is 'Body of the first answer';
comment on column tenant.idempotency_keys.created_at is 'When it was first used; keys are kept 24 hours';

-- Why:   who runs the platform (operators), who wants to come in (applications), how far each provisioning is (steps),
--        what happened (events), and which creating requests were answered already (idempotency keys).
-- Locks: new tables only, nothing that is in use.
-- Undo:  drop the five tables, provisioning_steps and applications first.

create table platform.operators (
  id uuid primary key,
  email text not null check (length(email) between 3 and 254),
  email_key text generated always as (lower(email)) stored unique,
  password_hash text not null,
  first_name text not null check (length(first_name) between 1 and 100),
  last_name text not null check (length(last_name) between 1 and 100),
  role text not null check (role in ('superadmin', 'support', 'billing', 'auditor')),
  status text not null default 'active' check (status in ('active', 'disabled')),
  last_login_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table platform.operators is 'People who run the platform';
comment on column platform.operators.id is 'UUID v7';
comment on column platform.operators.email is 'Address as typed';
comment on column platform.operators.email_key is 'Lower-case address: what logins are looked up by';
comment on column platform.operators.password_hash is 'argon2id in PHC form';
comment on column platform.operators.first_name is 'First name';
comment on column platform.operators.last_name is 'Last name';
comment on column platform.operators.role is 'superadmin decides and changes, the others read';
comment on column platform.operators.status is 'Disabled operators cannot log in';
comment on column platform.operators.last_login_at is 'Last successful login';
comment on column platform.operators.created_at is 'When the row was made';
comment on column platform.operators.updated_at is 'When the row last changed';
create trigger touch before update on platform.operators for each row execute function platform.touch();

create table platform.applications (
  id uuid primary key,
  organization_name text not null check (length(organization_name) between 1 and 200),
  name_key text collate "C" generated always as (lower(organization_name)) stored,
  slug text collate "C" not null check (slug ~ '^[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$'),
  contact_first_name text not null check (length(contact_first_name) between 1 and 100),
  contact_last_name text not null check (length(contact_last_name) between 1 and 100),
  contact_email text not null check (length(contact_email) between 3 and 254),
  time_zone text not null default 'UTC',
  locale text not null default 'en',
  currency char(3) not null default 'USD' check (currency ~ '^[A-Z]{3}$'),
  requested_tier text not null check (requested_tier in ('shared', 'dedicated', 'byo')),
  tier text check (tier in ('shared', 'dedicated', 'byo')),
  byo_host text,
  byo_port int check (byo_port between 1 and 65535),
  byo_database text,
  byo_user text,
  byo_password_sealed text,
  byo_tls_mode text check (byo_tls_mode in ('disable', 'require')),
  byo_tls_ca text,
  notes text check (length(notes) <= 2000),
  status text not null default 'submitted' check (
    status in ('submitted', 'approved', 'provisioning', 'provisioned', 'failed', 'rejected')
  ),
  reviewer_id uuid references platform.operators (id),
  review_notes text check (length(review_notes) <= 2000),
  reviewed_at timestamptz,
  tenant_id uuid unique references platform.tenants (id),
  failure text,
  lease_holder uuid,
  lease_until timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint applications_byo_complete check (
    (byo_host is null) = (byo_port is null)
    and (byo_host is null) = (byo_database is null)
    and (byo_host is null) = (byo_user is null)
    and (byo_password_sealed is null or byo_host is not null)
    and (byo_password_sealed is not null or byo_host is null or status in ('provisioned', 'rejected')
      or coalesce(tier <> 'byo', false))
    and (byo_host is null) = (byo_tls_mode is null)
  ),
  constraint applications_byo_present check (
    byo_host is not null or (requested_tier <> 'byo' and tier is distinct from 'byo')
  )
);
comment on table platform.applications is 'Requests of organisations to become tenants, and what became of them';
comment on column platform.applications.id is 'UUID v7';
comment on column platform.applications.organization_name is 'Name of the organisation';
comment on column platform.applications.name_key is 'Lower-case name: what a search by beginning looks at';
comment on column platform.applications.slug is 'Wanted slug, lower-case; reserved for this application unless it is rejected';
comment on column platform.applications.contact_first_name is 'First name of the initial admin';
comment on column platform.applications.contact_last_name is 'Last name of the initial admin';
comment on column platform.applications.contact_email is 'Address of the initial admin; the setup link goes there';
comment on column platform.applications.time_zone is 'IANA name; the tenant''s time zone';
comment on column platform.applications.locale is 'BCP 47 tag; the tenant''s language and formats';
comment on column platform.applications.currency is 'ISO 4217 code; the tenant''s currency';
comment on column platform.applications.requested_tier is 'What the organisation asked for';
comment on column platform.applications.tier is 'What was decided; null before a review';
comment on column platform.applications.byo_host is 'Customer''s server: host';
comment on column platform.applications.byo_port is 'Customer''s server: TCP port';
comment on column platform.applications.byo_database is 'Customer''s server: database';
comment on column platform.applications.byo_user is 'Customer''s server: login that may make roles and owns the database';
comment on column platform.applications.byo_password_sealed is 'Customer''s server: sealed password, removed once decided or handed to platform.servers; never in answers, logs or events';
comment on column platform.applications.byo_tls_mode is 'Customer''s server: disable, or require (certificate verified)';
comment on column platform.applications.byo_tls_ca is 'Customer''s server: PEM of its authority; null means the public ones';
comment on column platform.applications.notes is 'What the organisation wrote';
comment on column platform.applications.status is 'submitted, then approved or rejected; approved, provisioning, then provisioned or failed';
comment on column platform.applications.reviewer_id is 'Operator who decided';
comment on column platform.applications.review_notes is 'What that operator wrote';
comment on column platform.applications.reviewed_at is 'When it was decided';
comment on column platform.applications.tenant_id is 'The tenant that came of it';
comment on column platform.applications.failure is 'Why provisioning failed, without secrets';
comment on column platform.applications.lease_holder is 'The run that is provisioning now';
comment on column platform.applications.lease_until is 'Until when that run is alone; another may take over afterwards';
comment on column platform.applications.created_at is 'When it was submitted';
comment on column platform.applications.updated_at is 'When the row last changed';

-- A slug is spoken for from the moment it is applied for: two racing submissions meet here.
create unique index applications_slug on platform.applications (lower(slug)) where status <> 'rejected';
create index applications_name on platform.applications (name_key);
create index applications_status on platform.applications (status, created_at, id);
create trigger touch before update on platform.applications for each row execute function platform.touch();

create table platform.provisioning_steps (
  tenant_id uuid not null references platform.tenants (id),
  step text not null,
  position int not null,
  state text not null default 'pending' check (state in ('pending', 'running', 'done', 'failed')),
  attempts int not null default 0,
  started_at timestamptz,
  finished_at timestamptz,
  duration_ms double precision,
  error text,
  primary key (tenant_id, step),
  unique (tenant_id, position)
);
comment on table platform.provisioning_steps is 'The saga that makes a tenant: one row per step, checked and recorded by each run';
comment on column platform.provisioning_steps.tenant_id is 'The tenant that is being made';
comment on column platform.provisioning_steps.step is 'Name of the step';
comment on column platform.provisioning_steps.position is 'Order of the steps, from 1';
comment on column platform.provisioning_steps.state is 'done steps are not run again';
comment on column platform.provisioning_steps.attempts is 'How often it was started';
comment on column platform.provisioning_steps.started_at is 'Start of the last attempt';
comment on column platform.provisioning_steps.finished_at is 'End of the last attempt';
comment on column platform.provisioning_steps.duration_ms is 'Milliseconds that the last attempt took';
comment on column platform.provisioning_steps.error is 'Why the last attempt failed, without secrets';

create table platform.events (
  id uuid primary key,
  type text not null check (type ~ '^[a-z_]+\.[a-z_]+$'),
  tenant_id uuid,
  application_id uuid,
  actor text not null,
  data jsonb not null default '{}',
  occurred_at timestamptz not null default now()
);
comment on table platform.events is 'Domain events of the control plane: appended, never changed; no foreign keys, so that they outlive what they tell of';
comment on column platform.events.id is 'UUID v7';
comment on column platform.events.type is 'What happened, for example tenant.created';
comment on column platform.events.tenant_id is 'The tenant it concerns';
comment on column platform.events.application_id is 'The application it concerns';
comment on column platform.events.actor is 'Who did it: applicant, operator:<id> or job:<name>';
comment on column platform.events.data is 'Particulars; never secrets';
comment on column platform.events.occurred_at is 'When it happened';
create index events_time on platform.events (occurred_at, id);
create index events_tenant on platform.events (tenant_id, occurred_at, id);
create index events_application on platform.events (application_id, occurred_at, id);

create table platform.idempotency_keys (
  scope text not null check (length(scope) between 1 and 200),
  key text not null check (length(key) between 1 and 255),
  operation text not null,
  request_hash bytea not null,
  status int,
  response jsonb,
  created_at timestamptz not null default now(),
  primary key (scope, key)
);
comment on table platform.idempotency_keys is 'Answers already given to creating requests that carried an Idempotency-Key';
comment on column platform.idempotency_keys.scope is 'Whose keys: an operator, or the open routes';
comment on column platform.idempotency_keys.key is 'The key that the caller chose';
comment on column platform.idempotency_keys.operation is 'The operation that it was used for';
comment on column platform.idempotency_keys.request_hash is 'SHA-256 of the request: another request with the same key is refused';
comment on column platform.idempotency_keys.status is 'HTTP status that was answered';
comment on column platform.idempotency_keys.response is 'Body that was answered';
comment on column platform.idempotency_keys.created_at is 'When it was first used; old ones are removed';
create index idempotency_keys_age on platform.idempotency_keys (created_at);

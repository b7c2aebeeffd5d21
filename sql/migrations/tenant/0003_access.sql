-- People and access: roles, organisation units, invitations, API keys, identities of other issuers, impersonations. Shape only.
-- Passwords and single-use links leave the placement: an account may be a member of several tenants, and whoever owns a
-- placement (a customer's server) could otherwise write himself into the account and so into other tenants.
-- Locks: tenant.members, tenant.sessions, tenant.buildings, tenant.jobs for a moment (new columns with constant defaults). Undo: drop the
-- new tables and columns; passwords and links that were dropped do not come back, members ask for new links.

drop table tenant.setup_tokens;

alter table tenant.members
  drop constraint members_role_check,
  add constraint members_role_check check (role ~ '^[a-z][a-z0-9_]{1,39}$'),
  drop column password_hash,
  drop column must_change_password,
  add column account_id uuid,
  add column access_version int not null default 1;
comment on column tenant.members.role is 'admin, manager, unit_manager, member, or the key of a role of the tenant''s own';
comment on column tenant.members.status is 'pending until the link from the mail was used; only active members may sign in';
comment on column tenant.members.account_id is 'The account of the platform that signs in as this member; null until the link was used';
comment on column tenant.members.access_version is 'Grows with every change of what the member may do; what was issued before is loaded anew';

create table tenant.roles (
  tenant_id uuid not null,
  key text collate "C" not null check (key ~ '^[a-z][a-z0-9_]{1,39}$' and key not in ('admin', 'manager', 'unit_manager', 'member')),
  name text not null check (length(name) between 1 and 100),
  description text check (length(description) <= 500),
  permissions jsonb not null default '{}' check (jsonb_typeof(permissions) = 'object'),
  includes text[] not null default '{}',
  effective jsonb not null default '{}' check (jsonb_typeof(effective) = 'object'),
  units_only boolean not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, key)
);
comment on table tenant.roles is 'Roles that a tenant made; the built-in ones are in src/identity/permissions.ts';
comment on column tenant.roles.key is 'What members.role names; never that of a built-in role';
comment on column tenant.roles.name is 'Name for people';
comment on column tenant.roles.description is 'What it is for';
comment on column tenant.roles.permissions is 'Its own permissions: {"buildings": ["view", "edit"]}';
comment on column tenant.roles.includes is 'Keys of roles whose permissions it has as well, no loops';
comment on column tenant.roles.effective is 'Its own permissions and those of all it includes: what is checked';
comment on column tenant.roles.units_only is 'Whether its members see only the rows of their units';
comment on column tenant.roles.created_at is 'When the row was made';
comment on column tenant.roles.updated_at is 'When the row was last changed';

alter table tenant.members add column custom_role text collate "C" generated always as (
  case when role in ('admin', 'manager', 'unit_manager', 'member') or deleted_at is not null then null else role end
) stored;
alter table tenant.members add foreign key (tenant_id, custom_role) references tenant.roles (tenant_id, key);
create index members_by_custom_role on tenant.members (tenant_id, custom_role) where custom_role is not null;
comment on column tenant.members.custom_role is 'The role where it is the tenant''s own and the member is there: keeps it from being removed while somebody has it';

create table tenant.access_settings (
  tenant_id uuid primary key,
  default_role text not null default 'member' check (default_role ~ '^[a-z][a-z0-9_]{1,39}$'),
  mfa_required boolean not null default false,
  updated_at timestamptz not null default now()
);
comment on table tenant.access_settings is 'How people get into a tenant; no row means the defaults';
comment on column tenant.access_settings.default_role is 'Role of new members when none was named';
comment on column tenant.access_settings.mfa_required is 'Whether members must sign in with a second factor';
comment on column tenant.access_settings.updated_at is 'When the row was last changed';

create table tenant.units (
  tenant_id uuid not null,
  id uuid not null default app.uuid_v7(),
  name text not null check (length(name) between 1 and 200),
  name_key text collate "C" not null generated always as (lower(name)) stored,
  parent_id uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique nulls not distinct (tenant_id, parent_id, name_key),
  foreign key (tenant_id, parent_id) references tenant.units (tenant_id, id),
  check (parent_id <> id)
);
create index units_by_name on tenant.units (tenant_id, name_key, id);
comment on table tenant.units is 'Organisation units of a tenant, a tree: who is in one sees what belongs to it and below it';
comment on column tenant.units.id is 'Identifier, UUID v7';
comment on column tenant.units.name is 'Name; unique beside its siblings';
comment on column tenant.units.name_key is 'Name in lower case, for order and search';
comment on column tenant.units.parent_id is 'The unit above; null at the top';
comment on column tenant.units.created_at is 'When the row was made';
comment on column tenant.units.updated_at is 'When the row was last changed';

create table tenant.member_units (
  tenant_id uuid not null,
  member_id uuid not null,
  unit_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (tenant_id, member_id, unit_id),
  foreign key (tenant_id, member_id) references tenant.members (tenant_id, id) on delete cascade,
  foreign key (tenant_id, unit_id) references tenant.units (tenant_id, id) on delete cascade
);
create index member_units_by_unit on tenant.member_units (tenant_id, unit_id);
comment on table tenant.member_units is 'Which units a member belongs to';
comment on column tenant.member_units.member_id is 'The member';
comment on column tenant.member_units.unit_id is 'The unit; those below it are seen as well';
comment on column tenant.member_units.created_at is 'When the row was made';

alter table tenant.buildings add column unit_id uuid;
alter table tenant.buildings add foreign key (tenant_id, unit_id) references tenant.units (tenant_id, id);
create index buildings_by_unit on tenant.buildings (tenant_id, unit_id);
comment on column tenant.buildings.unit_id is 'The unit that looks after it; null: seen only by who sees all';

create table tenant.invitations (
  tenant_id uuid not null,
  id uuid not null default app.uuid_v7(),
  email text not null check (length(email) between 3 and 254),
  email_key text not null generated always as (lower(email)) stored,
  role text not null default 'member' check (role ~ '^[a-z][a-z0-9_]{1,39}$'),
  custom_role text collate "C" generated always as (
    case when role in ('admin', 'manager', 'unit_manager', 'member') or status <> 'pending' then null else role end
  ) stored,
  unit_ids uuid[] not null default '{}',
  locale text not null default 'en' check (length(locale) between 2 and 35),
  message text check (length(message) <= 1000),
  status text not null default 'pending' check (status in ('pending', 'accepted', 'revoked')),
  invited_by uuid,
  sends int not null default 0,
  sent_at timestamptz,
  expires_at timestamptz not null,
  accepted_at timestamptz,
  member_id uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  foreign key (tenant_id, custom_role) references tenant.roles (tenant_id, key),
  foreign key (tenant_id, invited_by) references tenant.members (tenant_id, id),
  foreign key (tenant_id, member_id) references tenant.members (tenant_id, id)
);
create unique index invitations_pending on tenant.invitations (tenant_id, email_key) where status = 'pending';
create index invitations_by_created on tenant.invitations (tenant_id, created_at, id);
comment on table tenant.invitations is 'Invitations to become a member; the single-use token is kept by the platform, as a hash';
comment on column tenant.invitations.id is 'Identifier, UUID v7';
comment on column tenant.invitations.email is 'Who is invited; nobody else can accept';
comment on column tenant.invitations.email_key is 'Address in lower case';
comment on column tenant.invitations.role is 'Role that the new member gets';
comment on column tenant.invitations.custom_role is 'That role where it is the tenant''s own, while the invitation waits: keeps it from being removed';
comment on column tenant.invitations.unit_ids is 'Units that the new member gets';
comment on column tenant.invitations.locale is 'BCP 47 tag: language of the mail';
comment on column tenant.invitations.message is 'A few words of who invites';
comment on column tenant.invitations.status is 'pending, accepted or revoked; a pending one may have expired';
comment on column tenant.invitations.invited_by is 'The member who invited';
comment on column tenant.invitations.sends is 'How often the mail was sent';
comment on column tenant.invitations.sent_at is 'When it was last sent';
comment on column tenant.invitations.expires_at is 'Until when it can be accepted';
comment on column tenant.invitations.accepted_at is 'When it was accepted';
comment on column tenant.invitations.member_id is 'The member that came of it';
comment on column tenant.invitations.created_at is 'When the row was made';
comment on column tenant.invitations.updated_at is 'When the row was last changed';

alter table tenant.sessions
  add column kind text not null default 'password' check (kind in ('password', 'passkey', 'switch', 'external')),
  add column mfa boolean not null default false,
  add column address text check (length(address) <= 64),
  add column agent text check (length(agent) <= 400);
comment on column tenant.sessions.kind is 'How it began: password, passkey, switch from another tenant, or external (an issuer of the tenant''s own)';
comment on column tenant.sessions.mfa is 'Whether a second factor was shown';
comment on column tenant.sessions.address is 'IP address that signed in';
comment on column tenant.sessions.agent is 'User-Agent that signed in, cut';
comment on column tenant.sessions.revoked_reason is 'logout, reuse, password, switch, revoked, member, mfa';

create table tenant.api_keys (
  tenant_id uuid not null,
  id uuid not null default app.uuid_v7(),
  name text not null check (length(name) between 1 and 100),
  hint text not null check (length(hint) between 1 and 20),
  key_hash bytea not null,
  permissions jsonb not null check (jsonb_typeof(permissions) = 'object'),
  requests_per_minute int check (requests_per_minute > 0),
  created_by uuid,
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  replaces uuid,
  access_version int not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, key_hash),
  foreign key (tenant_id, created_by) references tenant.members (tenant_id, id),
  foreign key (tenant_id, replaces) references tenant.api_keys (tenant_id, id)
);
create index api_keys_by_created on tenant.api_keys (tenant_id, created_at, id);
comment on table tenant.api_keys is 'Keys of programs that act in a tenant; a key is shown once and kept as its hash';
comment on column tenant.api_keys.id is 'Identifier, UUID v7';
comment on column tenant.api_keys.name is 'What it is for';
comment on column tenant.api_keys.hint is 'Its last characters, to know it again';
comment on column tenant.api_keys.key_hash is 'SHA-256 of the key';
comment on column tenant.api_keys.permissions is 'Its scopes: {"buildings": ["view"]}';
comment on column tenant.api_keys.requests_per_minute is 'A limit of its own; null: only the tenant''s';
comment on column tenant.api_keys.created_by is 'The member who made it';
comment on column tenant.api_keys.expires_at is 'When it ends; null: not by itself';
comment on column tenant.api_keys.last_used_at is 'When it was last used, to the minute';
comment on column tenant.api_keys.revoked_at is 'When it was revoked';
comment on column tenant.api_keys.replaces is 'The key that it takes the place of: both work until that one expires';
comment on column tenant.api_keys.access_version is 'Grows with every change: what is cached of it is loaded anew';
comment on column tenant.api_keys.created_at is 'When the row was made';
comment on column tenant.api_keys.updated_at is 'When the row was last changed';

-- Set by the database from the signed context: nobody can have a job run in another's name.
alter table tenant.jobs add column actor text default app.actor();
comment on column tenant.jobs.actor is 'Who asked for it, as in the audit: it runs in that name where no member is named';

create table tenant.impersonations (
  tenant_id uuid not null,
  id uuid not null,
  operator_id uuid not null,
  operator_email text not null check (length(operator_email) <= 254),
  reason text not null check (length(reason) between 1 and 500),
  read_only boolean not null default true,
  started_at timestamptz not null default now(),
  expires_at timestamptz not null,
  ended_at timestamptz,
  access_version int not null default 1,
  primary key (tenant_id, id)
);
create index impersonations_by_time on tenant.impersonations (tenant_id, started_at, id);
comment on table tenant.impersonations is 'Visits of operators inside the tenant: who, why, how long; the tenant can end them';
comment on column tenant.impersonations.id is 'Identifier, UUID v7; the same on the platform';
comment on column tenant.impersonations.operator_id is 'The operator';
comment on column tenant.impersonations.operator_email is 'The operator''s address';
comment on column tenant.impersonations.reason is 'Why, in the operator''s words';
comment on column tenant.impersonations.read_only is 'Whether nothing can be changed';
comment on column tenant.impersonations.started_at is 'When it began';
comment on column tenant.impersonations.expires_at is 'When it ends by itself';
comment on column tenant.impersonations.ended_at is 'When it was ended';
comment on column tenant.impersonations.access_version is 'Grows when it is ended: it stops at its next statement';

create table tenant.identity_providers (
  tenant_id uuid not null,
  id uuid not null default app.uuid_v7(),
  name text not null check (length(name) between 1 and 100),
  issuer text not null check (length(issuer) between 1 and 500),
  client_id text check (length(client_id) between 1 and 300),
  client_secret_sealed text,
  audience text check (length(audience) between 1 and 300),
  jwks_uri text check (length(jwks_uri) <= 500),
  claims jsonb not null default '{}' check (jsonb_typeof(claims) = 'object'),
  email_domains text[] not null default '{}',
  joins boolean not null default false,
  join_role text not null default 'member' check (join_role ~ '^[a-z][a-z0-9_]{1,39}$'),
  enabled boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (tenant_id, id),
  unique (tenant_id, issuer)
);
comment on table tenant.identity_providers is 'Issuers (OpenID Connect, Supabase Auth) whose word on who somebody is the tenant takes, for itself alone';
comment on column tenant.identity_providers.id is 'Identifier, UUID v7';
comment on column tenant.identity_providers.name is 'Name on the sign-in button';
comment on column tenant.identity_providers.issuer is 'Issuer identifier, a URL; must equal iss';
comment on column tenant.identity_providers.client_id is 'Client at the issuer, for signing in by redirect; null: tokens only';
comment on column tenant.identity_providers.client_secret_sealed is 'Its secret, sealed; null for a public client';
comment on column tenant.identity_providers.audience is 'Audience that bearer tokens must have; null: none are taken';
comment on column tenant.identity_providers.jwks_uri is 'Where its keys are; null: by discovery';
comment on column tenant.identity_providers.claims is 'How its tokens are checked and read: algorithms, names of claims, roles that it may give';
comment on column tenant.identity_providers.email_domains is 'Domains of addresses that may come; empty: all';
comment on column tenant.identity_providers.joins is 'Whether somebody unknown becomes a member at the first sign-in';
comment on column tenant.identity_providers.join_role is 'Role of who joins so';
comment on column tenant.identity_providers.enabled is 'Whether it is used';
comment on column tenant.identity_providers.created_at is 'When the row was made';
comment on column tenant.identity_providers.updated_at is 'When the row was last changed';

create table tenant.identities (
  tenant_id uuid not null,
  provider_id uuid not null,
  subject text not null check (length(subject) between 1 and 255),
  member_id uuid not null,
  created_at timestamptz not null default now(),
  last_login_at timestamptz,
  primary key (tenant_id, provider_id, subject),
  foreign key (tenant_id, provider_id) references tenant.identity_providers (tenant_id, id) on delete cascade,
  foreign key (tenant_id, member_id) references tenant.members (tenant_id, id) on delete cascade
);
create index identities_by_member on tenant.identities (tenant_id, member_id);
comment on table tenant.identities is 'Which person of an issuer is which member';
comment on column tenant.identities.provider_id is 'The issuer';
comment on column tenant.identities.subject is 'The person there (sub)';
comment on column tenant.identities.member_id is 'The member here';
comment on column tenant.identities.created_at is 'When it was first seen';
comment on column tenant.identities.last_login_at is 'When the person last signed in so';

create table tenant.locks (
  tenant_id uuid not null,
  name text collate "C" not null check (length(name) between 1 and 100),
  primary key (tenant_id, name)
);
comment on table tenant.locks is 'What runs one at a time in a tenant: the row is locked until the commit. Advisory locks are open to every login, rows are not';
comment on column tenant.locks.name is 'What: access, invoices.run';

-- Why:   accounts: one identity that may be a member of several tenants. The platform knows an address only as a keyed digest;
--        names and addresses stay in the tenants' placements. Single-use links, second factors and lockouts belong to accounts.
-- Locks: platform.operators for a moment (a new column); else new tables only.
-- Undo:  drop the tables; members then ask for new links. Needs 0001 (tenants) and 0002 (operators).

create table platform.accounts (
  id uuid primary key,
  email_digest bytea not null unique check (length(email_digest) = 32),
  password_hash text,
  must_change_password boolean not null default false,
  status text not null default 'active' check (status in ('active', 'disabled')),
  sessions_after timestamptz not null default '-infinity',
  password_changed_at timestamptz,
  last_login_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table platform.accounts is 'Who signs in: one row a person, whatever the number of tenants';
comment on column platform.accounts.id is 'UUID v7';
comment on column platform.accounts.email_digest is 'HMAC-SHA-256 of the lower-case address: known only to whoever knows the address and the key';
comment on column platform.accounts.password_hash is 'argon2id in PHC form; null until a password was set';
comment on column platform.accounts.must_change_password is 'Whether a new password must be set before anything else';
comment on column platform.accounts.status is 'Disabled accounts cannot sign in';
comment on column platform.accounts.sessions_after is 'Sessions that began before this give no access to other tenants any more';
comment on column platform.accounts.password_changed_at is 'When the password was last set';
comment on column platform.accounts.last_login_at is 'When it last signed in anywhere';
comment on column platform.accounts.created_at is 'When the row was made';
comment on column platform.accounts.updated_at is 'When the row last changed';
create trigger touch before update on platform.accounts for each row execute function platform.touch();

create table platform.memberships (
  account_id uuid not null references platform.accounts (id),
  tenant_id uuid not null references platform.tenants (id),
  member_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (account_id, tenant_id),
  unique (tenant_id, member_id)
);
comment on table platform.memberships is 'Which account is which member of which tenant; made only by who holds a link that was mailed';
comment on column platform.memberships.account_id is 'The account';
comment on column platform.memberships.tenant_id is 'The tenant';
comment on column platform.memberships.member_id is 'The member in the tenant''s placement';
comment on column platform.memberships.created_at is 'When it began';

create table platform.account_tokens (
  token_hash bytea primary key check (length(token_hash) = 32),
  purpose text not null check (purpose in ('setup', 'reset', 'invitation')),
  email_digest bytea not null check (length(email_digest) = 32),
  tenant_id uuid not null references platform.tenants (id),
  member_id uuid,
  invitation_id uuid,
  expires_at timestamptz not null,
  used_at timestamptz,
  created_at timestamptz not null default now()
);
comment on table platform.account_tokens is 'Single-use links that were mailed: first password, reset, invitation';
comment on column platform.account_tokens.token_hash is 'SHA-256 of the token; the token itself is only in the mail';
comment on column platform.account_tokens.purpose is 'setup, reset or invitation';
comment on column platform.account_tokens.email_digest is 'The address that it was mailed to, as in accounts';
comment on column platform.account_tokens.tenant_id is 'The tenant that it is for';
comment on column platform.account_tokens.member_id is 'The member whose link it is; null for an invitation';
comment on column platform.account_tokens.invitation_id is 'The invitation; null for the others';
comment on column platform.account_tokens.expires_at is 'Until when it can be used';
comment on column platform.account_tokens.used_at is 'When it was used, replaced or revoked';
comment on column platform.account_tokens.created_at is 'When it was made';
create index account_tokens_member on platform.account_tokens (tenant_id, member_id) where used_at is null;
create index account_tokens_invitation on platform.account_tokens (tenant_id, invitation_id) where used_at is null;
create index account_tokens_digest on platform.account_tokens (email_digest, created_at);
create index account_tokens_expiry on platform.account_tokens (expires_at);

create table platform.login_failures (
  key bytea primary key check (length(key) = 32),
  failures int not null default 0,
  last_failure_at timestamptz not null default now(),
  locked_until timestamptz not null default '-infinity'
);
comment on table platform.login_failures is 'Wrong passwords by address of mail or of network, known or not: the delay grows with each';
comment on column platform.login_failures.key is 'HMAC-SHA-256 of what is counted';
comment on column platform.login_failures.failures is 'How many in a row';
comment on column platform.login_failures.last_failure_at is 'When the last was; after a day without one they are forgotten';
comment on column platform.login_failures.locked_until is 'Until when every attempt is refused, right or wrong';
create index login_failures_age on platform.login_failures (last_failure_at);

create table platform.account_factors (
  id uuid primary key,
  account_id uuid not null references platform.accounts (id),
  kind text not null check (kind in ('totp', 'passkey')),
  name text not null check (length(name) between 1 and 100),
  secret_sealed text,
  credential_id text unique,
  public_key bytea,
  counter bigint not null default 0,
  transports text[] not null default '{}',
  confirmed_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz not null default now(),
  check ((kind = 'totp') = (secret_sealed is not null)),
  check ((kind = 'passkey') = (credential_id is not null and public_key is not null))
);
comment on table platform.account_factors is 'Second factors of accounts: authenticator apps and passkeys';
comment on column platform.account_factors.id is 'UUID v7';
comment on column platform.account_factors.account_id is 'The account';
comment on column platform.account_factors.kind is 'totp (RFC 6238) or passkey (WebAuthn)';
comment on column platform.account_factors.name is 'What its owner calls it';
comment on column platform.account_factors.secret_sealed is 'The shared secret of a totp factor, sealed';
comment on column platform.account_factors.credential_id is 'Id of a passkey, base64url';
comment on column platform.account_factors.public_key is 'Public key of a passkey, COSE';
comment on column platform.account_factors.counter is 'Last time step of a totp factor, last counter of a passkey: nothing older is taken';
comment on column platform.account_factors.transports is 'How a passkey is reached, as the browser said';
comment on column platform.account_factors.confirmed_at is 'When it was first used; unconfirmed ones do not count';
comment on column platform.account_factors.last_used_at is 'When it was last used';
comment on column platform.account_factors.created_at is 'When it was made';
create index account_factors_account on platform.account_factors (account_id);

create table platform.recovery_codes (
  account_id uuid not null references platform.accounts (id),
  code_hash bytea not null check (length(code_hash) = 32),
  used_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (account_id, code_hash)
);
comment on table platform.recovery_codes is 'Codes for the day on which the second factor is lost';
comment on column platform.recovery_codes.account_id is 'The account';
comment on column platform.recovery_codes.code_hash is 'HMAC-SHA-256 of the code';
comment on column platform.recovery_codes.used_at is 'When it was used; each works once';
comment on column platform.recovery_codes.created_at is 'When it was made';

create table platform.sign_in_states (
  state_hash bytea primary key check (length(state_hash) = 32),
  kind text not null check (kind in ('oidc', 'passkey', 'mfa')),
  tenant_id uuid references platform.tenants (id),
  account_id uuid references platform.accounts (id),
  provider_id uuid,
  data_sealed text not null,
  attempts int not null default 0,
  expires_at timestamptz not null,
  used_at timestamptz
);
comment on table platform.sign_in_states is 'Sign-ins that are under way: a redirect to an issuer, a challenge to a passkey, a password waiting for its second factor';
comment on column platform.sign_in_states.state_hash is 'SHA-256 of the state that the browser carries';
comment on column platform.sign_in_states.kind is 'oidc, passkey or mfa';
comment on column platform.sign_in_states.tenant_id is 'The tenant that is signed in to';
comment on column platform.sign_in_states.account_id is 'The account, where it is known';
comment on column platform.sign_in_states.provider_id is 'The issuer, of an oidc one';
comment on column platform.sign_in_states.data_sealed is 'Verifier, nonce, challenge: sealed';
comment on column platform.sign_in_states.attempts is 'How often it was tried to finish it; a second factor may be tried five times';
comment on column platform.sign_in_states.expires_at is 'Until when it can be finished, minutes';
comment on column platform.sign_in_states.used_at is 'When it was finished; each works once';
create index sign_in_states_expiry on platform.sign_in_states (expires_at);

alter table platform.operators add column access_version int not null default 1, alter column password_hash drop not null;
comment on column platform.operators.password_hash is 'argon2id in PHC form; null until the link from the mail was used';
comment on column platform.operators.role is 'superadmin decides and changes; support, billing and auditor look at what is theirs';
comment on column platform.operators.access_version is 'Grows with every change of role, status or password: tokens issued before are refused';

create table platform.operator_tokens (
  token_hash bytea primary key check (length(token_hash) = 32),
  operator_id uuid not null references platform.operators (id),
  expires_at timestamptz not null,
  used_at timestamptz,
  created_at timestamptz not null default now()
);
comment on table platform.operator_tokens is 'Single-use links that were mailed to operators, to set a password';
comment on column platform.operator_tokens.token_hash is 'SHA-256 of the token; the token itself is only in the mail';
comment on column platform.operator_tokens.operator_id is 'Whose link it is';
comment on column platform.operator_tokens.expires_at is 'Until when it can be used';
comment on column platform.operator_tokens.used_at is 'When it was used or replaced';
comment on column platform.operator_tokens.created_at is 'When it was made';
create index operator_tokens_operator on platform.operator_tokens (operator_id) where used_at is null;

create table platform.operator_keys (
  id uuid primary key,
  operator_id uuid not null references platform.operators (id),
  name text not null check (length(name) between 1 and 100),
  hint text not null check (length(hint) between 1 and 20),
  key_hash bytea not null unique check (length(key_hash) = 32),
  role text not null check (role in ('superadmin', 'support', 'billing', 'auditor')),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz,
  replaces uuid references platform.operator_keys (id),
  created_at timestamptz not null default now()
);
comment on table platform.operator_keys is 'API keys of operators'' programs; a key is shown once and kept as its hash';
comment on column platform.operator_keys.id is 'UUID v7';
comment on column platform.operator_keys.operator_id is 'Whose key it is: it can do nothing that this operator cannot';
comment on column platform.operator_keys.name is 'What it is for';
comment on column platform.operator_keys.hint is 'Its last characters, to know it again';
comment on column platform.operator_keys.key_hash is 'SHA-256 of the key';
comment on column platform.operator_keys.role is 'Role that it acts with';
comment on column platform.operator_keys.expires_at is 'When it ends; null: not by itself';
comment on column platform.operator_keys.last_used_at is 'When it was last used, to the minute';
comment on column platform.operator_keys.revoked_at is 'When it was revoked';
comment on column platform.operator_keys.replaces is 'The key that it takes the place of';
comment on column platform.operator_keys.created_at is 'When it was made';
create index operator_keys_operator on platform.operator_keys (operator_id);

create table platform.impersonations (
  id uuid primary key,
  tenant_id uuid not null references platform.tenants (id),
  operator_id uuid not null references platform.operators (id),
  reason text not null check (length(reason) between 1 and 500),
  read_only boolean not null,
  token_hash bytea not null unique check (length(token_hash) = 32),
  token_expires_at timestamptz not null,
  used_at timestamptz,
  expires_at timestamptz not null,
  ended_at timestamptz,
  created_at timestamptz not null default now()
);
comment on table platform.impersonations is 'Operators'' visits inside tenants: asked for here, begun with a one-time token';
comment on column platform.impersonations.id is 'UUID v7';
comment on column platform.impersonations.tenant_id is 'The tenant';
comment on column platform.impersonations.operator_id is 'The operator';
comment on column platform.impersonations.reason is 'Why';
comment on column platform.impersonations.read_only is 'Whether nothing can be changed';
comment on column platform.impersonations.token_hash is 'SHA-256 of the one-time token';
comment on column platform.impersonations.token_expires_at is 'Until when the token can be used, a minute';
comment on column platform.impersonations.used_at is 'When the token was used';
comment on column platform.impersonations.expires_at is 'When the visit ends by itself';
comment on column platform.impersonations.ended_at is 'When it was ended';
comment on column platform.impersonations.created_at is 'When it was asked for';
create index impersonations_tenant on platform.impersonations (tenant_id, created_at, id);

-- Why:   operators, who may do the most, sign in with a second factor: an authenticator app, or a recovery code on the day on
--        which it is lost. Kept as those of accounts are, in tables of their own: no account's factor opens the platform.
-- Locks: platform.sign_in_states for a moment (its check is replaced, its rows live minutes), platform.operators too (foreign
--        keys to it); else new tables only.
-- Undo:  drop the two tables, delete the states of the kind operator and put the check of 0006 back. Operators then sign in
--        with their passwords alone. Needs 0006 (sign_in_states).

create table platform.operator_factors (
  id uuid primary key,
  operator_id uuid not null references platform.operators (id),
  kind text not null check (kind = 'totp'),
  name text not null check (length(name) between 1 and 100),
  secret_sealed text not null,
  counter bigint not null default 0,
  confirmed_at timestamptz,
  last_used_at timestamptz,
  created_at timestamptz not null default now()
);
comment on table platform.operator_factors is 'Second factors of operators: authenticator apps';
comment on column platform.operator_factors.id is 'UUID v7';
comment on column platform.operator_factors.operator_id is 'The operator';
comment on column platform.operator_factors.kind is 'totp (RFC 6238)';
comment on column platform.operator_factors.name is 'What its owner calls it';
comment on column platform.operator_factors.secret_sealed is 'The shared secret, sealed for this row';
comment on column platform.operator_factors.counter is 'Last time step that was taken: nothing older is';
comment on column platform.operator_factors.confirmed_at is 'When it was first used; unconfirmed ones do not count';
comment on column platform.operator_factors.last_used_at is 'When it was last used';
comment on column platform.operator_factors.created_at is 'When it was made';
create index operator_factors_operator on platform.operator_factors (operator_id);

create table platform.operator_recovery_codes (
  operator_id uuid not null references platform.operators (id),
  code_hash bytea not null check (length(code_hash) = 32),
  used_at timestamptz,
  created_at timestamptz not null default now(),
  primary key (operator_id, code_hash)
);
comment on table platform.operator_recovery_codes is 'Operators'' codes for the day on which the second factor is lost';
comment on column platform.operator_recovery_codes.operator_id is 'The operator';
comment on column platform.operator_recovery_codes.code_hash is 'HMAC-SHA-256 of the code';
comment on column platform.operator_recovery_codes.used_at is 'When it was used; each works once';
comment on column platform.operator_recovery_codes.created_at is 'When it was made';

alter table platform.sign_in_states drop constraint sign_in_states_kind_check,
  add constraint sign_in_states_kind_check check (kind in ('oidc', 'passkey', 'mfa', 'operator')),
  add constraint sign_in_states_tenant_check check (kind <> 'operator' or (tenant_id is null and account_id is null));
comment on column platform.sign_in_states.kind is 'oidc, passkey or mfa; operator: an operator''s password waiting for its second factor';
comment on column platform.sign_in_states.tenant_id is 'The tenant that is signed in to; null for an operator';
comment on column platform.operators.access_version is 'Grows with every change of role, status, password or first factor: tokens issued before are refused';

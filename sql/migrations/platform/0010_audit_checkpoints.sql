-- Why:   whoever owns a placement's server can write a tenant's audit anew, as a whole chain that is sound in itself. Where
--        each chain ended is noted here, out of that server's reach: from then on every true chain contains it.
-- Locks: platform.tenants for a moment (a foreign key to it); else a new table only.
-- Undo:  drop table platform.audit_checkpoints. audit.verify then compares with the head only that its caller gives.

create table platform.audit_checkpoints (
  tenant_id uuid primary key references platform.tenants (id),
  seq bigint not null check (seq > 0),
  hash bytea not null check (length(hash) = 32),
  noted_at timestamptz not null default now()
);
comment on table platform.audit_checkpoints is 'Where each tenant''s audit ended when it was last looked at, and was sound up to the end that was noted before';
comment on column platform.audit_checkpoints.tenant_id is 'The tenant';
comment on column platform.audit_checkpoints.seq is 'Number of the last entry';
comment on column platform.audit_checkpoints.hash is 'Hash of the last entry';
comment on column platform.audit_checkpoints.noted_at is 'When it was last looked at';

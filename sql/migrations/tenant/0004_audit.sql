-- The audit: one row for each write and each refused access decision, chained by hashes, one chain a tenant. Shape only; the
-- functions and triggers that write it, and who may read it, are in sql/policies/32_audit.sql.
-- Locks: creates a new table only. Undo: drop the table, and app.audit_heads, app.audit_pending with it.
-- What a hash covers, and how to check it without this database: docs/decisions/0006-audit-chained-at-commit.md.

-- No checks: only those functions write here, and every check costs each write of every table.
create table tenant.audit (
  tenant_id uuid not null,
  seq bigint not null,
  at timestamptz not null,
  actor text not null,
  origin text,
  operation text,
  action text not null,
  resource text not null,
  resource_id text,
  changes jsonb not null,
  prev_hash bytea not null,
  hash bytea not null,
  primary key (tenant_id, seq)
);
create index audit_by_resource on tenant.audit (tenant_id, resource_id, seq);
comment on table tenant.audit is 'Who wrote what, and what was refused: append-only, chained by hashes';
comment on column tenant.audit.seq is 'Number in the tenant''s chain, from 1 on, without gaps';
comment on column tenant.audit.at is 'When it was entered: at the commit of the write';
comment on column tenant.audit.actor is 'Who acted, as the platform signed it: member:<id>, key:<id>, operator:<id>, or - for the platform and for nobody';
comment on column tenant.audit.origin is 'Where it came from, as JSON: request, address, agent, and impersonating: the visit in which an operator acted';
comment on column tenant.audit.operation is 'Operation, for example members.update';
comment on column tenant.audit.action is 'insert, update or delete of one row; bulk for many rows in one entry; refused for what was not allowed; visited for what an operator asked for';
comment on column tenant.audit.resource is 'Table, or what was asked for';
comment on column tenant.audit.resource_id is 'Key of the row within the tenant; parts of a longer key are joined by /';
comment on column tenant.audit.changes is 'Of an update column → [before, after], of an insert or delete column → value; secrets masked; else what there is to say';
comment on column tenant.audit.prev_hash is 'Hash of the entry before; of the first one the SHA-256 of "bulkhead audit <tenant>"';
comment on column tenant.audit.hash is 'SHA-256 of prev_hash and of every other column';

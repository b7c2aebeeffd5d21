-- Why:   each tenant signs its access tokens with a key of its own, which it can renew: one tenant's key is worth nothing
--        in another, and a renewal signs out nobody elsewhere. Keys are derived from the master key; which version signs,
--        and how long the one before is accepted, is kept here.
-- Locks: platform.tenants for a moment (two columns with constant defaults, no rewrite).
-- Undo:  alter table platform.tenants drop column signing_version, drop column signing_previous_until. All tokens are then
--        signed with the first version again; whoever holds a later one signs in anew.

alter table platform.tenants
  add column signing_version int not null default 1 check (signing_version > 0),
  add column signing_previous_until timestamptz;
comment on column platform.tenants.signing_version is 'Version of the key that its access tokens are signed with';
comment on column platform.tenants.signing_previous_until is 'Until when tokens of the version before are accepted; null: they are not';

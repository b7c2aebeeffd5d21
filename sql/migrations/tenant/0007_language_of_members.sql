-- The language in which a member is written to: a new member's setup mail has the words that its reader knows.
-- Locks: tenant.members for a moment (a new column without a default). Undo: drop the column.

alter table tenant.members add column locale text check (length(locale) between 2 and 35);
comment on column tenant.members.locale is 'BCP 47 tag: language of mails to the member; null: the tenant''s';

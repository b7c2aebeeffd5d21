-- Why:   links to set the first password go to an address that somebody typed: nobody's mailbox is filled through us.
-- Locks: tenant.members for a moment (a new column with a constant default).
-- Undo:  drop the column; the number of links has no end then.

alter table tenant.members add column links_sent int not null default 0;
comment on column tenant.members.links_sent is 'How often a link to set the first password was mailed';

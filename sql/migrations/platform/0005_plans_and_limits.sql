-- Why:   what a tenant may have is a plan's (how many members, how many requests a minute), and all processes together
--        must keep to it: who takes how much of a minute's allowance is counted here, in one row for each that is limited.
-- Locks: SHARE ROW EXCLUSIVE on tenants while its plans are checked (one read of the table); else new tables only.
-- Undo:  drop the foreign key tenants_plan_fkey, the functions take_allowances, give_back_allowances and plan_changed,
--        then the two tables.

create table platform.plans (
  name text primary key check (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  title text not null check (length(title) between 1 and 100),
  member_limit int not null check (member_limit > 0),
  requests_per_minute int not null check (requests_per_minute > 0),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
comment on table platform.plans is 'Plans that tenants pay for, and what each allows';
comment on column platform.plans.name is 'Short lower-case name; what platform.tenants.plan says';
comment on column platform.plans.title is 'Name for people';
comment on column platform.plans.member_limit is 'The most members of a tenant';
comment on column platform.plans.requests_per_minute is 'The most requests of a tenant''s members and keys in a minute';
comment on column platform.plans.created_at is 'When the row was made';
comment on column platform.plans.updated_at is 'When the row last changed';
create trigger touch before update on platform.plans for each row execute function platform.touch();

insert into platform.plans (name, title, member_limit, requests_per_minute) values
  ('starter', 'Starter', 25, 300),
  ('standard', 'Standard', 100, 1200),
  ('business', 'Business', 1000, 6000),
  ('enterprise', 'Enterprise', 10000, 30000);

-- A plan that was written by hand before there were any: it allows what standard does, under a name that fits.
update platform.tenants set plan = 'standard' where plan not in (select name from platform.plans);
alter table platform.tenants add constraint tenants_plan_fkey foreign key (plan) references platform.plans (name);

-- Readers keep a plan's limits with the tenant (0001): a change of the plan is notified by its name.
create function platform.plan_changed() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('platform_plans', new.name);
  return null;
end
$$;
comment on function platform.plan_changed() is 'Trigger: notifies the channel platform_plans with the name';
create trigger changed after update on platform.plans
  for each row when (old.* is distinct from new.*) execute function platform.plan_changed();

-- Unlogged: a crash of the server empties it, and everyone begins a new minute. Room in each page keeps updates in place.
create unlogged table platform.rate_windows (
  key text collate "C" primary key check (octet_length(key) between 1 and 100),
  started_at timestamptz not null,
  used int not null check (used >= 0),
  granted int not null
) with (fillfactor = 50);
comment on table platform.rate_windows is 'How much of the current window each of those that are limited has used';
comment on column platform.rate_windows.key is
  'Who is limited: tenant:<id>, key:<id>, operator:<id>, of an address a keyed digest (address:<digest>), strict:<any of these>';
comment on column platform.rate_windows.started_at is 'When the window began: with the first request after the one before it';
comment on column platform.rate_windows.used is 'What was given out in this window, what processes hold in advance included';
comment on column platform.rate_windows.granted is 'What the last take was given; the take reads it back';

create function platform.grantable(available int, needed int, ahead int) returns int
language sql immutable set search_path = pg_catalog, pg_temp
as $$
  select least(needed, greatest(available, 0)) + greatest(0, least(ahead, (available - needed - 100) / 10))
$$;
comment on function platform.grantable(int, int, int) is 'How much of what is available a take is given';

-- Takes from several windows at once, each in an atomic step of its own. Of an allowance of 100 in a window, 100 are given
-- out and never more, whoever asks at the same time: the row is locked by the update, in the order of the keys, so that
-- no two takes can wait for each other.
--   needed  what waits for an answer now: given as far as it goes
--   ahead   what the process would like to hold in advance: at most a tenth of what is left, and nothing of the last
--           hundred, so that no process sits on what another one needs
create function platform.take_allowances(
  keys text[], needed int[], ahead int[], allowances int[], window_ms int,
  out place int, out window_start text, out granted int, out remaining int, out reset_ms int
) returns setof record
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
  length constant interval := window_ms * interval '1 millisecond';
  used_now int;
  started timestamptz;
begin
  for place in select i from unnest(keys) with ordinality as k(key, i) order by k.key collate "C", i loop
    insert into platform.rate_windows as w (key, started_at, used, granted)
      select keys[place], now(), g.n, g.n
        from platform.grantable(allowances[place], needed[place], ahead[place]) as g(n)
      on conflict on constraint rate_windows_pkey do update set (started_at, used, granted) = (
        select case when ended then now() else w.started_at end, case when ended then 0 else w.used end + g.n, g.n
          from (select w.started_at + length <= now() as ended) f,
            platform.grantable(allowances[place] - case when ended then 0 else w.used end,
              needed[place], ahead[place]) as g(n))
      returning w.started_at, w.used, w.granted into started, used_now, granted;
    window_start := started::text;
    remaining := greatest(0, allowances[place] - used_now);
    reset_ms := floor(extract(epoch from started + length - now()) * 1000);
    return next;
  end loop;
end
$$;
comment on function platform.take_allowances(text[], int[], int[], int[], int) is
  'Takes from windows of window_ms milliseconds; one row a key, place says which';

-- Gives back what a process held in advance and has no use for, if the window is still the one that it was taken from.
create function platform.give_back_allowances(keys text[], window_starts text[], amounts int[]) returns void
language sql set search_path = pg_catalog, pg_temp
as $$
  with held as (
    select w.key, k.amount from platform.rate_windows w
      join unnest(keys, window_starts, amounts) as k(key, window_start, amount)
        on k.key = w.key and k.window_start = w.started_at::text
      order by w.key for no key update of w)
  update platform.rate_windows w set used = greatest(0, w.used - held.amount) from held where w.key = held.key
$$;
comment on function platform.give_back_allowances(text[], text[], int[]) is
  'Gives back to the windows that they were taken from';

// The tenant directory: slug, id or host → tenant and placement. In memory, with single flight and a negative cache; the
// platform database is what is true, and invalidation.ts hears when it changes. What is believed is ten seconds old at most,
// or was not contradicted by what was heard up to then. A stale entry cannot open a closed tenant: its gate is in its placement.
import type { Doors } from "../db/doors.ts";
import { type Fragment, sql, type Tx } from "../db/sql.ts";
import type { Signing } from "./signing.ts";

/** Where a tenant's rows are. */
export interface Placement {
  id: string;
  kind: "shared" | "dedicated" | "byo";
  database: string;
  login: string;
  key_id: number;
  /** Of a customer's server; null on our own. */
  host: string | null;
  port: number | null;
  tls_mode: "disable" | "require";
  tls_ca: string | null;
}

/** A tenant as requests see it. */
export interface TenantRecord {
  id: string;
  slug: string;
  name: string;
  status: string;
  tier: "shared" | "dedicated" | "byo";
  plan: string;
  /** What its plan allows. */
  limits: { members: number; requests_per_minute: number };
  time_zone: string;
  locale: string;
  currency: string;
  /** Origins of pages on other hosts that it lets call. */
  origins: string[];
  /** Its own host names, proven. */
  domains: string[];
  /** The key that its access tokens are signed with. */
  signing: Signing;
  placement: Placement;
}

type Key = `slug:${string}` | `id:${string}` | `host:${string}` | `origin:${string}`;

interface Entry {
  /** Until when it is believed where nothing is heard. */
  until: number;
  /** Until when it is believed at all. */
  atMost: number;
  record: Promise<TenantRecord | null>;
  /** What `record` came to; undefined while it is being read. */
  found?: TenantRecord | null;
}

/** Milliseconds that an answer is kept where nobody says that it has changed. */
export const LIFE_MS = 10_000;
/** Milliseconds that an answer is kept where changes are heard: a request that comes once a minute finds it, too. */
const HEARD_LIFE_MS = 600_000;
const NEGATIVE_LIFE_MS = 2_000;
const MAX_ENTRIES = 20_000;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Finds tenants. Every answer may be up to 10 seconds old. */
export class Directory {
  #entries = new Map<Key, Entry>();
  #heardUpTo = 0;

  constructor(private readonly doors: Doors) {}

  bySlug(slug: string): Promise<TenantRecord | null> {
    return this.#find(`slug:${slug.toLowerCase()}`);
  }

  byId(id: string): Promise<TenantRecord | null> {
    const lower = id.toLowerCase();
    return UUID.test(lower) ? this.#find(`id:${lower}`) : Promise.resolve(null);
  }

  byHost(host: string): Promise<TenantRecord | null> {
    return this.#find(`host:${host.toLowerCase()}`);
  }

  /** Some tenant that lists this origin: whether there is one may be told, which one not. */
  byOrigin(origin: string): Promise<TenantRecord | null> {
    return this.#find(`origin:${origin}`);
  }

  /** Forgets a tenant at once in this process. */
  forget(tenantId: string): void {
    this.#forget((record) => record.id === tenantId);
  }

  /** Forgets every tenant of a placement at once in this process. */
  forgetPlacement(placementId: string): void {
    this.#forget((record) => record.placement.id === placementId);
  }

  /** Forgets every tenant with a plan at once in this process. */
  forgetPlan(plan: string): void {
    this.#forget((record) => record.plan === plan);
  }

  /** What changed up to this instant (milliseconds of `Date.now()`) was heard and is forgotten: what is left was true then. */
  confirm(upTo: number): void {
    this.#heardUpTo = upTo;
  }

  /** Forgets everything at once in this process. */
  forgetAll(): void {
    this.#entries.clear();
  }

  /** What is being read, or was not there, may be what has changed: it goes too. */
  #forget(changed: (record: TenantRecord) => boolean): void {
    for (const [key, { found }] of this.#entries) {
      if (!found || changed(found)) this.#entries.delete(key);
    }
  }

  #find(key: Key): Promise<TenantRecord | null> {
    const now = Date.now();
    const known = this.#entries.get(key);
    if (known && known.atMost > now && Math.max(known.until, this.#heardUpTo + LIFE_MS) > now) return known.record;
    const spread = 0.8 + 0.2 * jitter();
    const entry: Entry = {
      until: now + LIFE_MS * spread,
      atMost: now + HEARD_LIFE_MS * spread,
      record: this.#load(key),
    };
    if (this.#entries.size >= MAX_ENTRIES) this.#entries.delete(this.#entries.keys().next().value!);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    entry.record.then((record) => {
      entry.found = record;
      if (!record) entry.atMost = Math.min(entry.atMost, Date.now() + NEGATIVE_LIFE_MS);
    }, () => {
      if (this.#entries.get(key) === entry) this.#entries.delete(key);
    });
    return entry.record;
  }

  async #load(key: Key): Promise<TenantRecord | null> {
    const value = key.slice(key.indexOf(":") + 1);
    const by = key.startsWith("slug:")
      ? sql`t.slug = ${value}`
      : key.startsWith("id:")
      ? sql`t.id = ${value}`
      : key.startsWith("origin:")
      ? sql`t.id in (select tenant_id from platform.origins where origin = ${value})`
      : sql`t.id = (select tenant_id from platform.domains where host = ${value} and verified_at is not null)`;
    const context = { actor: "system", operation: "tenants.locate", requestId: "", readOnly: true };
    const rows = await this.doors.asPlatform(context, (tx) => findTenant(tx, by));
    return rows[0] ?? null;
  }
}

/** Spreads expiries of a process that loaded many tenants at once; not a secret. */
function jitter(): number {
  return crypto.getRandomValues(new Uint8Array(1))[0] / 255;
}

function findTenant(tx: Tx, by: Fragment) {
  return tx<TenantRecord>`select t.id, t.slug, t.name, t.status, t.tier, t.plan, t.time_zone, t.locale, t.currency,
      json_build_object('members', l.member_limit, 'requests_per_minute', l.requests_per_minute) as limits,
      json_build_object('version', t.signing_version, 'previous_until', t.signing_previous_until) as signing,
      json_build_object('id', p.id, 'kind', p.kind, 'database', p.database_name, 'login', p.tenant_login,
        'key_id', p.key_id, 'tls_mode', s.tls_mode, 'tls_ca', s.tls_ca,
        'host', case when s.kind = 'byo' then s.host end, 'port', case when s.kind = 'byo' then s.port end) as placement,
      coalesce((select json_agg(o.origin) from platform.origins o where o.tenant_id = t.id), '[]') as origins,
      coalesce((select json_agg(d.host) from platform.domains d
        where d.tenant_id = t.id and d.verified_at is not null), '[]') as domains
    from platform.tenants t
    join platform.plans l on l.name = t.plan
    join platform.placements p on p.id = t.placement_id
    join platform.servers s on s.id = p.server_id
    where ${by} and t.status not in ('provisioning', 'deleted', 'erased') limit 1`;
}

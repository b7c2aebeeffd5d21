// From a person of an issuer to a member of the tenant: known by issuer and subject, else by an address that the issuer may
// speak for, else a new member where the tenant lets its people join so. An address alone is never an identity.
import { type Fragment, sql, type Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import { builtInRole, type RoleRow } from "../../identity/permissions.ts";
import type { TenantRecord } from "../directory.ts";
import type { Services } from "../services.ts";
import { lockTenant } from "../tenant_lock.ts";
import { type Person, speaksFor } from "./person.ts";
import type { Provider } from "./providers.ts";

/** A member as signing in needs it. */
export interface KnownMember extends RoleRow {
  id: string;
  access_version: number;
  /** Whether the tenant wants a second factor of everybody. */
  mfa_required: boolean;
}

interface Row extends KnownMember {
  status: string;
  removed: boolean;
}

const columns =
  sql`m.id, m.role, m.access_version, r.effective, r.units_only, m.status, m.deleted_at is not null as removed,
  coalesce((select mfa_required from tenant.access_settings), false) as mfa_required`;

function readKnown(tx: Tx, from: Fragment, where: Fragment) {
  return tx<Row>`select ${columns} from ${from}
    left join tenant.roles r on r.tenant_id = m.tenant_id and r.key = m.custom_role where ${where}`.map((rows) =>
    rows[0]
  );
}

/** The member that is this person already; undefined when nobody is. */
function findIdentity(tx: Tx, providerId: string, subject: string) {
  return readKnown(
    tx,
    sql`tenant.identities i join tenant.members m on m.tenant_id = i.tenant_id and m.id = i.member_id`,
    sql`i.provider_id = ${providerId} and i.subject = ${subject}`,
  );
}

/**
 * The member that a verified person is.
 * @throws AppError `forbidden` with a sentence for the person, `plan_limit`, and what the door throws.
 */
export async function findMember(
  services: Services,
  { tenant, operation, requestId }: { tenant: TenantRecord; operation: string; requestId: string },
  { provider, person }: { provider: Provider; person: Person },
): Promise<KnownMember> {
  const entering = { operation, requestId };
  const reading = await services.targets.context(tenant, { ...entering, readOnly: true });
  const known = await services.doors.asTenant(reading, (tx) => findIdentity(tx, provider.id, person.subject));
  if (known && !known.removed) return letIn(known);
  const writing = await services.targets.context(tenant, { ...entering, readOnly: false });
  const id = await services.doors.asTenant(writing, (tx) => adopt(tx, tenant, provider, person));
  services.log.info("A person of an external issuer is a member now", { tenant: tenant.id, member: id });
  const found = await services.doors.asTenant(reading, (tx) => findIdentity(tx, provider.id, person.subject));
  return letIn(found);
}

function letIn(found: Row | undefined): KnownMember {
  if (found?.status !== "active" || found.removed) throw unknown("Your membership is not active");
  return found;
}

function unknown(why: string): AppError {
  return new AppError("forbidden", `${why}: ask an administrator of the tenant`);
}

interface Candidate {
  id: string;
  status: string;
  /** Whether the provider knows somebody else as this member. */
  taken: boolean;
}

/** Ties the person to a member, by address or as a new one. Gives the member's id. */
async function adopt(tx: Tx, tenant: TenantRecord, provider: Provider, person: Person): Promise<string> {
  // The same lock as every change of access takes (tenant/roles/granting.ts).
  await lockTenant(tx, "access");
  const known = await findIdentity(tx, provider.id, person.subject);
  if (known && !known.removed) return letIn(known).id;
  const { email } = person;
  if (email === null || !person.emailVerified) throw unknown("Your identity provider vouches for no address of yours");
  const [member] = await tx<Candidate>`select id, status, exists (select from tenant.identities i
      where i.provider_id = ${provider.id} and i.member_id = members.id) as taken
    from tenant.members where email_key = lower(${email}) and deleted_at is null`;
  if (member) {
    const open = ["active", "pending"].includes(member.status);
    if (!open || member.taken || !speaksFor(provider, email, true)) {
      throw unknown("You are no member here by this sign-in");
    }
    await tie(tx, provider, person, member.id);
    await tx`update tenant.members set status = 'active', access_version = access_version + 1, updated_at = now()
      where id = ${member.id} and status = 'pending'`;
    return member.id;
  }
  const joins = provider.joins && !known && speaksFor(provider, email, false) && !await wasRemoved(tx, email);
  if (!joins) throw unknown("You are no member here");
  const id = await join(tx, tenant, { ...person, email, role: await roleFor(tx, provider, person) });
  await tie(tx, provider, person, id);
  return id;
}

/** Whoever was removed does not come back alone, also by another subject or issuer. */
async function wasRemoved(tx: Tx, email: string): Promise<boolean> {
  const removed =
    await tx`select from tenant.members where email_key = lower(${email}) and deleted_at is not null limit 1`;
  return removed.length > 0;
}

async function tie(tx: Tx, provider: Provider, { subject }: Person, memberId: string): Promise<void> {
  await tx`delete from tenant.identities where provider_id = ${provider.id} and subject = ${subject}`;
  await tx`insert into tenant.identities (provider_id, subject, member_id) values (${provider.id}, ${subject}, ${memberId})`;
}

/** The role that the issuer asked for and may give, else the one of who joins; neither may have been removed. */
async function roleFor(tx: Tx, { join_role: joinRole }: Provider, { role }: Person): Promise<string> {
  const wanted = [role, joinRole].filter((key) => key !== null);
  const own = await tx<{ key: string }>`select key from tenant.roles where key = any(${wanted}::text[])`;
  const found = wanted.find((key) => builtInRole(key) || own.some((one) => one.key === key));
  if (!found) throw unknown("The role that you would get does not exist");
  return found;
}

async function join(
  tx: Tx,
  { plan, limits }: TenantRecord,
  { email, role, firstName, lastName }: Person & { email: string; role: string },
): Promise<string> {
  const [{ n }] = await tx<{ n: number }>`select count(*)::int as n from tenant.members where deleted_at is null`;
  if (n >= limits.members) throw new AppError("plan_limit", `The plan "${plan}" allows ${limits.members} members`);
  const [made] = await tx<{ id: string }>`insert into tenant.members (first_name, last_name, email, role, status)
    values (${firstName}, ${lastName}, ${email}, ${role}, 'active') returning id`;
  return made.id;
}

/** Notes a sign-in by redirect. */
export function noteSignIn(tx: Tx, providerId: string, subject: string) {
  return tx`update tenant.identities set last_login_at = now() where provider_id = ${providerId} and subject = ${subject}`;
}

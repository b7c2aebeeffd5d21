// Members with sessions for tests of what they may do: made over the API, let in past the mail and the password, which are
// not what these tests are about. Tokens say what the database says when they are issued, as after a sign-in.
import assert from "node:assert/strict";
import type { Tx } from "../../src/db/sql.ts";
import { BUILT_IN_ROLES, type Permissions } from "../../src/identity/permissions.ts";
import type { Services } from "../../src/tenancy/services.ts";
import type { TestApp, TestTenant } from "./app.ts";

/** A member with a session. */
export interface Person {
  id: string;
  email: string;
  sessionId: string;
  /** What a sign-in right after the start would have given. */
  token: string;
}

/** Visits a tenant as the platform itself. */
export async function asSystem<T>(services: Services, tenantId: string, work: (tx: Tx) => PromiseLike<T>): Promise<T> {
  const tenant = await services.directory.byId(tenantId);
  const context = await services.targets.context(tenant!, { operation: "test", requestId: "", readOnly: false });
  return await services.doors.asTenant(context, work);
}

/** Adds a member who can sign in, with an open session. */
export async function addPerson(
  app: TestApp,
  tenant: TestTenant,
  role: string,
  fields: { unit_ids?: string[]; first_name?: string } = {},
): Promise<Person> {
  const email = `${role.replaceAll("_", "-")}-${crypto.randomUUID().slice(0, 8)}@${tenant.slug}.test`;
  const body = { first_name: "Max", last_name: "Member", email, role, ...fields };
  const made = await app.ask("POST", "/v1/members", { token: tenant.admin, body });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const { id } = made.body;
  await asSystem(
    app.services,
    tenant.id,
    (tx) => tx`update tenant.members set status = 'active', account_id = ${crypto.randomUUID()} where id = ${id}`,
  );
  return { id, email, ...await openSession(app.services, tenant.id, id) };
}

/** Opens a session of a member. */
export async function openSession(services: Services, tenantId: string, memberId: string, mfa = false) {
  const sessionId = crypto.randomUUID();
  const hash = crypto.getRandomValues(new Uint8Array(32));
  await asSystem(
    services,
    tenantId,
    (tx) =>
      tx`insert into tenant.sessions (id, member_id, refresh_hash, expires_at, mfa)
      values (${sessionId}, ${memberId}, ${hash}, now() + interval '1 day', ${mfa})`,
  );
  return { sessionId, token: await issueToken(services, tenantId, { memberId, sessionId, mfa }) };
}

/** A token as signing in or a refresh would give it now. */
export async function issueToken(
  services: Services,
  tenantId: string,
  { memberId, sessionId, mfa = false }: { memberId: string; sessionId: string; mfa?: boolean },
): Promise<string> {
  interface Row {
    role: string;
    access_version: number;
    effective: Permissions | null;
    units_only: boolean | null;
  }
  const [row] = await asSystem(
    services,
    tenantId,
    (tx) =>
      tx<Row>`select m.role, m.access_version, r.effective, r.units_only
      from tenant.members m left join tenant.roles r on r.key = m.role where m.id = ${memberId}`,
  );
  return await services.tokens.issueMember({
    memberId,
    tenantId,
    sessionId,
    role: row.role,
    permissions: row.effective ?? BUILT_IN_ROLES[row.role].permissions,
    unitsOnly: row.units_only ?? BUILT_IN_ROLES[row.role].unitsOnly,
    accessVersion: row.access_version,
    mfa,
  });
}

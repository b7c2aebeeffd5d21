// The first person of a tenant: made without a password, and told by mail how to set one. The link works once and for
// three days; the token in it is stored as its hash only.
import { json, type Query, type Tx } from "../../db/sql.ts";
import { newSecretToken } from "../../identity/secret_tokens.ts";
import { emailDigest, keepAccountToken } from "../../tenancy/accounts.ts";
import type { Application } from "../applications/model.ts";
import type { Run } from "./run.ts";
import { setupMail } from "./setup_mail.ts";

/** Hours for which a setup link works. */
export const SETUP_HOURS = 72;

interface Admin {
  id: string;
  email: string;
  first_name: string;
}

/** Makes the applicant the tenant's first admin, unless the tenant has members already. */
export function insertInitialAdmin(tx: Tx, application: Application): Query<boolean> {
  return tx`insert into tenant.members (first_name, last_name, email, role, status, metadata)
    select ${application.contact_first_name}, ${application.contact_last_name}, ${application.contact_email},
      'admin', 'pending', ${json({ is_initial_admin: true })}
    where not exists (select from tenant.members)`.map((rows) => rows.count > 0);
}

/**
 * Mails a fresh setup link to the initial admin; links sent before stop working.
 * Gives false when that person has set a password already and needs none.
 */
export async function sendSetupMail(run: Run): Promise<boolean> {
  const secret = newSecretToken("setup");
  const expiresAt = new Date(Date.now() + SETUP_HOURS * 3_600_000);
  const [admin] = await run.asTenant(findWaitingAdmin);
  if (!admin) return false;
  const { mail, publicUrl, servers } = run.services;
  await run.asPlatform((tx) =>
    keepAccountToken(tx, {
      purpose: "setup",
      digest: emailDigest(servers, admin.email),
      tenantId: run.tenantId,
      memberId: admin.id,
      hash: secret.hash,
      expiresAt,
    })
  );
  const text = setupMail({
    ...run.application,
    publicUrl,
    token: secret.token,
    expiresAt,
    firstName: admin.first_name,
  });
  await mail.send({ to: admin.email, ...text });
  return true;
}

function findWaitingAdmin(tx: Tx) {
  return tx<Admin>`select id, email, first_name from tenant.members
    where metadata @> '{"is_initial_admin": true}' and account_id is null and deleted_at is null limit 1`;
}

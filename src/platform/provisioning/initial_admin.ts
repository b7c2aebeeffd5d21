// The first person of a tenant: made without a password, and told by mail how to set one. The link works once and for
// three days; the token in it is stored as its hash only.
import { json, type Query, type Tx } from "../../db/sql.ts";
import { newSecretToken } from "../../identity/secret_tokens.ts";
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
  return tx`insert into tenant.members (first_name, last_name, email, role, status, must_change_password, metadata)
    select ${application.contact_first_name}, ${application.contact_last_name}, ${application.contact_email},
      'admin', 'pending', true, ${json({ is_initial_admin: true })}
    where not exists (select from tenant.members)`.map((rows) => rows.count > 0);
}

/**
 * Mails a fresh setup link to the initial admin; links sent before stop working.
 * Gives false when that person has set a password already and needs none.
 */
export async function sendSetupMail(run: Run): Promise<boolean> {
  const secret = newSecretToken("setup");
  const expiresAt = new Date(Date.now() + SETUP_HOURS * 3_600_000);
  const admin = await run.asTenant((tx) => replaceToken(tx, secret.hash, expiresAt));
  if (!admin) return false;
  const { mail, publicUrl } = run.services;
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

async function replaceToken(tx: Tx, hash: Uint8Array, expiresAt: Date): Promise<Admin | undefined> {
  const [admin] = await tx<Admin>`select id, email, first_name from tenant.members
    where metadata @> '{"is_initial_admin": true}' and password_hash is null and deleted_at is null limit 1`;
  if (!admin) return undefined;
  await tx`delete from tenant.setup_tokens where member_id = ${admin.id} and used_at is null`;
  await tx`insert into tenant.setup_tokens (member_id, token_hash, expires_at)
    values (${admin.id}, ${hash}, ${expiresAt})`;
  return admin;
}

// The numbers of people and access: what signing in, a permission, a limit and the audit cost. On a fresh embedded installation
// in a temporary folder.
import type { Measurement } from "../../cli/bench.ts";
import { type Local, startLocal } from "../../cli/local.ts";
import type { Config } from "../../config.ts";
import { type Sql, withDirect } from "../../db/direct.ts";
import { CAST } from "../../demo/cast.ts";
import { Client } from "../../demo/client.ts";
import { becomeTenant, type Chapter } from "../../demo/story.ts";
import { onShutdown } from "../../embedded/shutdown.ts";
import { measureAudit } from "./audit.ts";
import { measureChecks, type Reader } from "./checks.ts";
import { measureLimiter } from "./limiter.ts";
import { measureLogin } from "./login.ts";

/** Runs the suite. */
export async function benchAccess(config: Config): Promise<Measurement[]> {
  const dir = await Deno.makeTempDir({ prefix: "bulkhead-bench-" });
  onShutdown("temporary folder", () => Deno.remove(dir, { recursive: true }));
  const local = await startLocal({ config: { ...config, PORT: 0, OPERATOR_MFA_REQUIRED: "off" }, dir, say: () => {} });
  const client = new Client(local.url);
  const { access_token: operator } = await client.call("POST", "/v1/operators/login", { body: local.operator });
  const tenant = async (slug: string) => {
    const who = { ...CAST[0], slug, admin: { ...CAST[0].admin, email: `admin@${slug}.test` } };
    return (await becomeTenant(local, client, operator, who))[0];
  };
  const [one, limited] = [await tenant("bench-one"), await tenant("bench-limited")];
  const { servers, services, url } = local;
  const { slug, admin: { email }, password, token } = one;
  return [
    ...await measureLogin(services, { slug, email, password }),
    ...await measureChecks(services, await someReader(local, client, one)),
    ...await measureLimiter(servers, await uncounted(local, limited)),
    ...await withDirect(
      servers.admin(servers.settings.sharedDatabase),
      (admin) => measureAudit({ url, servers, token, admin }),
    ),
  ];
}

/** A tenant's token, as if the tenant had not been asked yet: what made it was counted. */
async function uncounted({ servers }: Local, { tenantId, token }: Chapter): Promise<string> {
  const platform = servers.admin(servers.settings.platformDatabase);
  await withDirect(platform, (sql) => sql`delete from platform.rate_windows where key = ${`tenant:${tenantId}`}`);
  return token;
}

/** A manager with a session, let in past the mail, which is not what is measured. */
async function someReader({ servers, services }: Local, client: Client, { tenantId, token }: Chapter): Promise<Reader> {
  const [memberId, sessionId] = [crypto.randomUUID(), crypto.randomUUID()];
  await withDirect(servers.admin(servers.settings.sharedDatabase), (sql) => insert(sql));
  return {
    tenantId,
    token: await services.tokens.issueMember({ memberId, tenantId, sessionId, role: "manager" }),
    changeRole: () => client.call("PATCH", `/v1/members/${memberId}`, { token, body: { role: "member" } }),
  };

  async function insert(sql: Sql): Promise<void> {
    await sql`insert into tenant.members (tenant_id, id, first_name, last_name, email, role, status)
      values (${tenantId}, ${memberId}, 'Mara', 'Manager', 'mara@bench.test', 'manager', 'active')`;
    await sql`insert into tenant.sessions (tenant_id, id, member_id, refresh_hash, expires_at)
      values (${tenantId}, ${sessionId}, ${memberId}, ${crypto.getRandomValues(new Uint8Array(32))},
        now() + interval '1 day')`;
  }
}

// What the entry point makes once and hands to every route and job. Nobody makes these for themselves.
import type { Config } from "../config.ts";
import type { Doors } from "../db/doors.ts";
import type { Passwords } from "../identity/passwords.ts";
import type { Tokens } from "../identity/tokens.ts";
import type { Egress } from "../integrations/egress/egress.ts";
import type { Mail } from "../integrations/mail/mail.ts";
import type { Secrets } from "../integrations/secrets/secrets.ts";
import type { Queue } from "../queue/queue.ts";
import type { Log } from "../telemetry/log.ts";
import type { CurrentAccess } from "./access.ts";
import type { Directory } from "./directory.ts";
import type { External } from "./external/bearer.ts";
import type { Limits } from "./limits.ts";
import type { Servers } from "./servers.ts";
import type { TenantTargets } from "./targets.ts";

export interface Services {
  config: Config;
  /** Where callers reach the API, without a slash at the end. */
  publicUrl: string;
  log: Log;
  doors: Doors;
  directory: Directory;
  targets: TenantTargets;
  /** Rate limits, counted over all processes. */
  limits: Limits;
  /** What callers may do, where it has moved on since their token was issued. */
  access: CurrentAccess;
  /** Targets of our own server: platform, migrator, dedicated placements. */
  servers: Servers;
  queue: Queue;
  tokens: Tokens;
  passwords: Passwords;
  /** Signing in at tenants' own issuers, and their tokens. */
  external: External;
  secrets: Secrets;
  egress: Egress;
  mail: Mail;
}

// The configuration: one object, read once by the entry point and passed down. No other file reads the environment.
import { z } from "zod";
import { AppError } from "./errors.ts";

const list = z.string().transform((value) => value.split(",").map((part) => part.trim()).filter(Boolean));
const versions = z.string().regex(/^[1-9]\d{0,3}(,[1-9]\d{0,3})*$/, "must be numbers such as 2,1")
  .transform((value) => value.split(",").map(Number));
const perMinute = z.coerce.number().int().min(1).max(1_000_000_000);

const schema = z.object({
  /** An administrator of the server (`postgres://user:password@host:port/database`). Without it the embedded server runs. */
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
  /** 32 random bytes in base64: every key and every login's password derives from it. */
  BULKHEAD_MASTER_KEY: z.base64().refine((value) => atob(value).length === 32, "must be 32 bytes in base64").optional(),
  /** Database of the first shared placement; may be the platform's own. */
  SHARED_DATABASE: z.string().min(1).max(63).optional(),
  /** `disable`, `require` (verified) for our own server. */
  DATABASE_TLS: z.enum(["disable", "require"]).default("disable"),
  /** A certificate authority in PEM, where the system's roots do not know the server. */
  DATABASE_CA: z.string().optional(),
  /** A transaction pooler in front of our own server, for requests and jobs; rollouts and the queue go past it. */
  POOLER_HOST: z.string().min(1).max(253).optional(),
  POOLER_PORT: z.coerce.number().int().min(1).max(65535).default(6432),
  /** Where callers reach the API, without a slash at the end. */
  PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** Tenants are `<slug>.<BASE_DOMAIN>`. */
  BASE_DOMAIN: z.string().regex(/^[a-z0-9.-]+$/).default("localhost"),
  /** Address and port that `dev` and `demo` listen on. */
  HOST: z.string().default("127.0.0.1"),
  PORT: z.coerce.number().int().min(0).max(65535).default(8787),
  /** Private address ranges that a customer's database server may be in, as CIDRs. */
  BYO_ALLOW: list.default([]),
  /** SMTP server for mail; without it mail goes to the built-in mailbox. */
  SMTP_URL: z.url({ protocol: /^smtps?$/ }).optional(),
  MAIL_FROM: z.string().default("Bulkhead <no-reply@localhost>"),
  /** Who is told about applications, and the first operator's address. */
  OPERATOR_EMAIL: z.email().default("operator@localhost.test"),
  /** With it `start` makes the first operator, if there is none. */
  OPERATOR_PASSWORD: z.string().min(10).max(256).optional(),
  /** `on`: operators without a second factor are let in only to set one up. */
  OPERATOR_MFA_REQUIRED: z.enum(["on", "off"]).default("off"),
  /** Versions of the key that operators' tokens are signed with: the first signs, all are accepted. */
  OPERATOR_SIGNING_KEYS: versions.default([1]),
  /** Connections of this process to database servers, and to any one database. */
  POOL_CONNECTIONS: z.coerce.number().int().min(4).max(1000).default(60),
  POOL_PER_DATABASE: z.coerce.number().int().min(1).max(100).default(10),
  /** Shared secret of the queue's tick, for hosts that call it over HTTP. */
  TICK_SECRET: z.string().min(24).optional(),
  /** Proxies of ours in front, each of which adds to X-Forwarded-For; 0: the socket's address is the caller's. */
  TRUSTED_PROXIES: z.coerce.number().int().min(0).max(10).default(0),
  /** Requests a minute: of one address without signing in, of one address where secrets could be guessed, of an operator. */
  LIMIT_ANONYMOUS_PER_MINUTE: perMinute.default(300),
  LIMIT_STRICT_PER_MINUTE: perMinute.default(20),
  LIMIT_OPERATOR_PER_MINUTE: perMinute.default(600),
  /** Wrong passwords and codes from one network address that cost nothing; then it waits, at most a minute each time. */
  LOGIN_FAILURES_PER_ADDRESS: z.coerce.number().int().min(1).max(1_000_000_000).default(50),
  /** The same for every tenant, whatever its plan says; for installations that sell no plans. */
  LIMIT_TENANT_PER_MINUTE: perMinute.optional(),
  LOG_LEVEL: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
});

/** The configuration of one process. */
export type Config = z.infer<typeof schema>;

/** For tests and measurements, which ask more of one address and one tenant than anybody else would. */
export const UNLIMITED = {
  LIMIT_ANONYMOUS_PER_MINUTE: 1_000_000_000,
  LIMIT_STRICT_PER_MINUTE: 1_000_000_000,
  LIMIT_OPERATOR_PER_MINUTE: 1_000_000_000,
  LIMIT_TENANT_PER_MINUTE: 1_000_000_000,
  LOGIN_FAILURES_PER_ADDRESS: 1_000_000_000,
} as const satisfies Partial<Config>;

/**
 * Reads the configuration from environment variables.
 * @param env All variables of the process; unknown ones are ignored, empty ones count as absent.
 * @throws AppError `invalid_request` naming every variable that is wrong; values are not repeated.
 */
export function readConfig(env: Record<string, string>): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const fields = result.error.issues.map((issue) => ({ path: issue.path.join("."), message: issue.message }));
  const names = fields.map((field) => `${field.path} (${field.message})`).join(", ");
  throw new AppError("invalid_request", `Set these environment variables correctly: ${names}`, { fields });
}

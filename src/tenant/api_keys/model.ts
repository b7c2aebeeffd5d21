// API keys as callers see them. The key itself is shown once, by the answer that makes it.
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../../http/paging.ts";
import { rowFields, text } from "../fields.ts";
import { permissionSet as permissions } from "../roles/model.ts";

const MAX_REQUESTS = 1_000_000;

const expires_at = z.iso.datetime({ offset: true }).nullable()
  .refine((until) => until === null || Date.parse(until) > Date.now(), "Name a time to come")
  .openapi({ description: "When it ends; null: not by itself" });
const requests_per_minute = z.int().min(1).max(MAX_REQUESTS).nullable()
  .openapi({ description: "A limit of its own beside the tenant's; null: none" });

export const newKey = z.strictObject({
  name: text(100),
  permissions,
  expires_at: expires_at.default(null),
  requests_per_minute: requests_per_minute.default(null),
}).openapi("NewApiKey");
export type NewKey = z.output<typeof newKey>;

export const keyChange = z.strictObject({
  name: text(100),
  permissions,
  expires_at,
  requests_per_minute,
}).partial().refine((body) => Object.keys(body).length > 0, "Name at least one field").openapi("ApiKeyChange");
export type KeyChange = z.output<typeof keyChange>;

export const rotation = z.strictObject({
  overlap_hours: z.int().min(0).max(720).default(24).openapi({
    description: "How long the old key works beside the new one",
  }),
  expires_at: expires_at.optional().openapi({
    description: "When the new key ends; left out: when this one would have",
  }),
}).openapi("RotateApiKey");
export type Rotation = z.output<typeof rotation>;

export const apiKey = z.object({
  ...rowFields,
  name: z.string(),
  hint: z.string().openapi({ description: "Its last characters" }),
  permissions,
  expires_at: z.string().nullable(),
  requests_per_minute: z.int().nullable(),
  created_by: z.uuid().nullable(),
  last_used_at: z.string().nullable(),
  revoked_at: z.string().nullable(),
  replaces: z.uuid().nullable(),
}).openapi("ApiKey");
/** A row of tenant.api_keys, without the hash. */
export type ApiKey = z.output<typeof apiKey>;

export const shownKey = apiKey.extend({
  key: z.string().openapi({ description: "The key: it is shown this once" }),
}).openapi("ShownApiKey");

export const keyQuery = pageQuery({
  sort: ["created_at"],
  filters: { live: z.enum(["true", "false"]).optional().openapi({ description: "Only those that work, or do not" }) },
});
export type KeyQuery = z.output<typeof keyQuery>;

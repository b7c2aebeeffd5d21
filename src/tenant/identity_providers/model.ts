// Identity providers as callers see them: issuers whose word on who somebody is the tenant takes. A client secret goes in and
// never out.
import { z } from "@hono/zod-openapi";
import { externalIssuer } from "../../identity/external_tokens.ts";
import { claimNames, ruleFields } from "../../tenancy/external/providers.ts";
import { rowFields, text } from "../fields.ts";
import { roleKey } from "../roles/model.ts";

const url = z.string().max(500).refine(
  (value) => externalIssuer.shape.issuer.safeParse(value).success,
  "Give an https address without user name or fragment",
).openapi({ format: "uri", example: "https://id.example.org" });

const domain = z.string().trim().toLowerCase().max(253)
  .regex(
    /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+$/,
    'Give a domain, as in "example.org"',
  )
  .openapi({ type: "string", example: "example.org" });

const fields = {
  name: text(100).openapi({ description: "Name on the sign-in button" }),
  client_id: z.string().min(1).max(300).nullable().openapi({
    description: "Client at the issuer, for signing in by redirect; null: bearer tokens only",
  }),
  client_auth: ruleFields.client_auth.meta({ description: "How the client secret is sent" }),
  audience: z.string().min(1).max(300).nullable().openapi({
    description: "Audience that bearer tokens must have; null: none are taken",
  }),
  jwks_uri: url.nullable().openapi({ description: "Where its keys are; null: by discovery" }),
  algorithms: ruleFields.algorithms.meta({
    description: "Algorithms that tokens may be signed with; the first one is that of ID tokens",
  }),
  claims: claimNames.meta({
    description: "Names of claims, where they are not the usual ones; dots lead into objects",
  }),
  roles: z.array(roleKey).max(50).openapi({
    description: "Roles that the issuer may give to who joins, by its role claim",
  }),
  required: ruleFields.required.meta({
    description: "Claims that tokens must have with these values",
  }),
  trust_email: z.boolean().openapi({ description: "Whether the issuer gives no address that it did not verify" }),
  email_domains: z.array(domain).max(100).openapi({
    description:
      "Domains that the issuer speaks for: members with such an address are found by it. Empty: none are, and " +
      "who joins may have any address",
  }),
  joins: z.boolean().openapi({ description: "Whether somebody unknown becomes a member at the first sign-in" }),
  join_role: roleKey.openapi({ description: "Role of who joins so" }),
  enabled: z.boolean(),
};

const secret = z.string().min(1).max(1000).nullable().openapi({
  description: "Never shown again; null for a public client",
});

export const newIdentityProvider = z.strictObject({
  ...fields,
  issuer: url.openapi({ description: "Exactly as its tokens name it" }),
  client_id: fields.client_id.default(null),
  client_secret: secret.default(null),
  client_auth: fields.client_auth.default("basic"),
  audience: fields.audience.default(null),
  jwks_uri: fields.jwks_uri.default(null),
  algorithms: fields.algorithms.default(["RS256"]),
  claims: fields.claims.default({}),
  roles: fields.roles.default([]),
  required: fields.required.default({}),
  trust_email: fields.trust_email.default(false),
  email_domains: fields.email_domains.default([]),
  joins: fields.joins.default(false),
  join_role: fields.join_role.default("member"),
  enabled: fields.enabled.default(true),
}).openapi("NewIdentityProvider");

export const identityProviderChange = z.strictObject({ ...fields, client_secret: secret }).partial()
  .refine((body) => Object.keys(body).length > 0, "Name at least one field").openapi("IdentityProviderChange");

export const identityProvider = z.object({
  ...rowFields,
  ...fields,
  name: z.string(),
  issuer: z.string(),
  client_id: z.string().nullable(),
  audience: z.string().nullable(),
  jwks_uri: z.string().nullable(),
  roles: z.array(z.string()),
  email_domains: z.array(z.string()),
  join_role: z.string(),
  has_secret: z.boolean(),
  redirect_uri: z.string().openapi({ description: "Register it at the issuer, for signing in by redirect" }),
}).openapi("IdentityProvider");
export type IdentityProvider = z.output<typeof identityProvider>;

/** What is stored of one, apart from the secret. */
export type ProviderFields = Omit<IdentityProvider, "id" | "created_at" | "updated_at" | "has_secret" | "redirect_uri">;

export const identityProviders = z.object({ items: z.array(identityProvider) }).openapi("IdentityProviders");

export const providerCheck = z.object({
  ok: z.boolean(),
  findings: z.array(z.object({
    part: z.enum(["discovery", "keys"]),
    ok: z.boolean(),
    detail: z.string().openapi({ description: "What was found, or what is wrong" }),
  })),
}).openapi("IdentityProviderCheck");
export type ProviderCheck = z.output<typeof providerCheck>;

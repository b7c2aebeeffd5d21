// The key that a tenant's access tokens are signed with, as callers see it.
import { z } from "@hono/zod-openapi";

/** A public key (RFC 8037: Ed25519 as a JSON Web Key). */
const publicKey = z.object({
  kty: z.literal("OKP"),
  crv: z.literal("Ed25519"),
  x: z.string(),
  kid: z.string(),
  alg: z.literal("EdDSA"),
  use: z.literal("sig"),
}).openapi("PublicKey");

export const keySet = z.object({
  keys: z.array(publicKey).openapi({ description: "Whose tokens are accepted now, and the key that comes next" }),
}).openapi("JsonWebKeySet");

export const signingKey = z.object({
  kid: z.string().openapi({ description: "Name of the key that signs, as in a token's header" }),
  version: z.number().int(),
  previous_until: z.iso.datetime({ offset: true }).nullable()
    .openapi({ description: "Until when tokens of the key before are accepted; null: they are not" }),
}).openapi("SigningKey");

export const renewal = z.strictObject({
  at_once: z.boolean().default(false).openapi({
    description: "Refuse tokens of the key before from now on: everybody has to refresh, and visits of operators end",
  }),
}).openapi("SigningKeyRenewal");

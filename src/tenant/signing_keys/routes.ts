// The API of the key that a tenant's access tokens are signed with: its public side for whoever verifies them, and renewing
// it. Which version signs is kept with the platform, since tokens are looked at before any placement is asked.
import { AppError } from "../../errors.ts";
import { route } from "../../http/route.ts";
import { overlaps, publishedKeys, renewKey, type Signing } from "../../tenancy/signing.ts";
import { noteOutside } from "../audit/queries.ts";
import { keySet, renewal, signingKey } from "./model.ts";

const tag = "Signing key";

const publish = route({
  operation: "signing_keys.publish",
  method: "get",
  path: "/.well-known/jwks.json",
  summary: "The public keys that verify this tenant's access tokens",
  description:
    "A JSON Web Key Set (RFC 7517). Tokens are EdDSA-signed JWTs with the issuer `bulkhead` and the audience " +
    "`tenant`. The key that comes next is among them before it signs anything: keep the set for up to an hour, and load " +
    "it again for a `kid` that is not in it.",
  tag,
  answer: keySet,
  handler: async ({ services, tenant: { id, signing } }) =>
    await services.tokens.jwks(id, publishedKeys(signing)) as never,
});

const show = route({
  operation: "signing_keys.get",
  method: "get",
  path: "/v1/signing-key",
  summary: "Show which key signs access tokens",
  tag,
  can: "settings.view",
  answer: signingKey,
  handler: async (call) => {
    await call.stillIn();
    const { id, signing } = call.tenant;
    return shown(id, overlaps(signing) ? signing : { ...signing, previous_until: null });
  },
});

const renew = route({
  operation: "signing_keys.renew",
  method: "post",
  path: "/v1/signing-key/renew",
  summary: "Sign access tokens with a new key",
  description: "Nobody is signed out: tokens of the key before are accepted until the last one has expired. With " +
    "`at_once` they are refused from now on. The next renewal is possible when they are no longer accepted.",
  tag,
  can: "settings.edit",
  body: renewal,
  answer: signingKey,
  handler: async (call) => {
    const { id, signing } = call.tenant;
    const { at_once: atOnce } = call.body;
    if (!atOnce && overlaps(signing)) throw notOver();
    await call.asTenant((tx) =>
      noteOutside(tx, "signing_key", { version: [signing.version, signing.version + 1], at_once: [null, atOnce] })
    );
    const [renewed] = await call.asPlatform((tx) => renewKey(tx, id, atOnce));
    if (!renewed) throw notOver(); // another renewal was faster
    call.services.directory.forget(id);
    return shown(id, renewed);
  },
});

const notOver = () =>
  new AppError("conflict", "The last renewal is not over: tokens of the key before are still accepted", {
    fields: [{ path: "at_once", message: "Wait, or send true to refuse all earlier tokens now" }],
  });

const shown = (tenantId: string, { version, previous_until }: Signing) => ({
  kid: `${tenantId}.${version}`,
  version,
  previous_until,
});

/** For anyone who names a tenant. */
export const openRoutes = [publish];

/** For members. */
export const routes = [show, renew];

// What a browser sends back of navigator.credentials, as `PublicKeyCredential.toJSON()` writes it (WebAuthn level 3,
// 5.1): the schemas for routes. Lengths are bounded here, so that no decoder sees a huge text; nothing is verified here.

import { z } from "zod";

const base64url = (max: number) => z.string().min(1).max(max).regex(/^[A-Za-z0-9_-]+$/);

// A credential id has up to 1,023 bytes (WebAuthn, 4); transports may gain new words, which are kept as they are.
const credentialId = base64url(1364);
const transports = z.array(z.string().regex(/^[a-z][a-z-]{0,31}$/)).max(16);

const credential = {
  id: credentialId,
  rawId: credentialId,
  type: z.literal("public-key"),
  authenticatorAttachment: z.enum(["platform", "cross-platform"]).nullish(),
  clientExtensionResults: z.record(z.string().max(64), z.unknown()).default({}),
};

/** The answer to registration options. */
export const registrationResponse = z.strictObject({
  ...credential,
  response: z.strictObject({
    clientDataJSON: base64url(8192),
    attestationObject: base64url(16_384),
    authenticatorData: base64url(16_384).optional(),
    publicKey: base64url(8192).nullish(),
    publicKeyAlgorithm: z.int().optional(),
    transports: transports.optional(),
  }),
});

/** The answer to authentication options. */
export const authenticationResponse = z.strictObject({
  ...credential,
  response: z.strictObject({
    clientDataJSON: base64url(8192),
    authenticatorData: base64url(8192),
    signature: base64url(8192),
    userHandle: base64url(128).nullish(),
  }),
});

/** What {@link registrationResponse} gives. */
export type RegistrationResponse = z.output<typeof registrationResponse>;

/** What {@link authenticationResponse} gives. */
export type AuthenticationResponse = z.output<typeof authenticationResponse>;

// Passkeys against an authenticator in software: what is right is accepted, and each planted fault is refused.

import assert from "node:assert/strict";
import { AppError } from "../../src/errors.ts";
import { authenticationResponse, registrationResponse } from "../../src/identity/passkey_messages.ts";
import { createPasskeys, type StoredPasskey } from "../../src/identity/passkeys.ts";
import { Authenticator, type Faults } from "../support/authenticator.ts";

const origin = "https://app.example.test";
const passkeys = createPasskeys({ rpId: "example.test", name: "Bulkhead", origins: [origin] });
const owner = { userHandle: new Uint8Array(16).fill(1), userName: "ada@example.test", existing: [] };
const site = { rpId: "example.test", origin };

async function registered(faults: Faults = {}) {
  const device = new Authenticator(site);
  const { challenge, options } = await passkeys.registrationOptions(owner);
  const response = registrationResponse.parse(await device.register(options, faults));
  return { device, stored: await passkeys.verifyRegistration(response, challenge) };
}

async function signIn(device: Authenticator, stored: StoredPasskey, faults: Faults = {}) {
  const { challenge, options } = await passkeys.authenticationOptions([stored]);
  const response = authenticationResponse.parse(await device.authenticate(options, faults));
  return await passkeys.verifyAuthentication(response, { challenge, passkey: stored });
}

function refuses(work: () => Promise<unknown>, code: string, name: string) {
  return assert.rejects(work, (error) => error instanceof AppError && error.code === code, name);
}

// Each with the part of the cause that shows that this very check refused.
const BOTH_FAULTS: Record<string, [Faults, RegExp]> = {
  "another challenge": [{ challenge: "AAAA" }, /challenge/],
  "another origin": [{ origin: "https://app.example.test.evil.test" }, /origin/],
  "the origin without TLS": [{ origin: "http://app.example.test" }, /origin/],
  "another relying party": [{ rpId: "evil.test" }, /RP ID/],
  "the other ceremony": [{ type: "payment.get" }, /type/],
  "nobody present": [{ userPresent: false }, /present/i],
  "a frame in another site": [{ crossOrigin: true }, /another site/],
};

async function causeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
  } catch (error) {
    return error instanceof AppError ? String(error.cause) : "not an AppError";
  }
  return "accepted";
}

Deno.test("registrationOptions() asks for no attestation, excludes what exists, with a new challenge each time", async () => {
  const existing = [{ id: "AAAA", transports: ["usb"] }];
  const { challenge, options } = await passkeys.registrationOptions({ ...owner, existing });
  assert.equal(options.challenge, challenge);
  assert.ok(challenge.length >= 43);
  assert.equal(options.attestation, "none");
  assert.equal(options.rp.id, "example.test");
  assert.deepEqual(options.excludeCredentials?.map(({ id }) => id), ["AAAA"]);
  assert.notEqual((await passkeys.registrationOptions(owner)).challenge, challenge);
});

Deno.test("verifyRegistration() gives what is stored, and verifyAuthentication() accepts its signatures", async () => {
  const { device, stored } = await registered();
  assert.deepEqual({ ...stored, publicKey: null }, {
    id: device.id,
    publicKey: null,
    counter: 0,
    transports: ["internal"],
    backedUp: false,
  });
  const proof = await signIn(device, stored);
  assert.deepEqual(proof, { id: device.id, counter: 1, backedUp: false, userVerified: true });
  assert.equal((await signIn(device, { ...stored, counter: proof.counter })).counter, 2);
});

Deno.test("verifyRegistration() refuses each planted fault as unprocessable", async () => {
  for (const [name, [faults, cause]] of Object.entries(BOTH_FAULTS)) {
    await refuses(() => registered(faults), "unprocessable", name);
    assert.match(await causeOf(() => registered(faults)), cause, name);
  }
});

Deno.test("verifyAuthentication() refuses each planted fault as unauthorized", async () => {
  const { device, stored } = await registered();
  for (const [name, [faults, cause]] of Object.entries(BOTH_FAULTS)) {
    await refuses(() => signIn(device, stored, faults), "unauthorized", name);
    assert.match(await causeOf(() => signIn(device, stored, faults)), cause, name);
  }
});

Deno.test("verifyRegistration() refuses attestations with certificates, and fetches nothing for them", async () => {
  const fetched: unknown[] = [];
  const fetch = globalThis.fetch;
  globalThis.fetch = (input) => (fetched.push(input), Promise.reject(new Error("Nothing is fetched")));
  try {
    const x5c = new Map([["x5c", [new Uint8Array(8)]]]);
    for (const fmt of ["packed", "apple", "tpm", "android-key", "fido-u2f", "android-safetynet", "made-up"]) {
      const work = () => registered({ attestation: { fmt, attStmt: x5c } });
      assert.match(await causeOf(work), /not asked for/, fmt);
    }
  } finally {
    globalThis.fetch = fetch;
  }
  assert.deepEqual(fetched, []);
});

Deno.test("verifyAuthentication() refuses a counter that goes back or stands still, and accepts one that is always 0", async () => {
  const { device, stored } = await registered();
  for (const counter of [5, 4, 0]) {
    const work = () => signIn(device, { ...stored, counter: 5 }, { counter });
    assert.match(await causeOf(work), /counter/, String(counter));
  }
  assert.equal((await signIn(device, { ...stored, counter: 5 }, { counter: 6 })).counter, 6);
  assert.equal((await signIn(device, stored, { counter: 0 })).counter, 0);
});

Deno.test("verifyAuthentication() refuses another device's signature, another passkey's name and a changed answer", async () => {
  const { device, stored } = await registered();
  const other = await registered();
  assert.match(await causeOf(() => signIn(other.device, stored)), /another passkey/);
  const swapped = { ...stored, publicKey: other.stored.publicKey };
  assert.match(await causeOf(() => signIn(device, swapped)), /signature/);
  const { challenge, options } = await passkeys.authenticationOptions([stored]);
  const answer = await device.authenticate(options);
  const later = await device.authenticate(options);
  answer.response.authenticatorData = later.response.authenticatorData;
  const work = () => passkeys.verifyAuthentication(answer, { challenge, passkey: stored });
  assert.match(await causeOf(work), /signature/);
});

Deno.test("verifyAuthentication() asks for a checked person, except as a second factor", async () => {
  const { device, stored } = await registered();
  const unverified = { userVerified: false };
  assert.match(await causeOf(() => signIn(device, stored, unverified)), /user/i);
  const { challenge, options } = await passkeys.authenticationOptions([stored]);
  const response = await device.authenticate(options, unverified);
  const expected = { challenge, passkey: stored, userVerification: "preferred" as const };
  assert.equal((await passkeys.verifyAuthentication(response, expected)).userVerified, false);
});

Deno.test("verifyAuthentication() refuses the same answer again once the counter is stored", async () => {
  const { device, stored } = await registered();
  const { challenge, options } = await passkeys.authenticationOptions();
  assert.equal(options.userVerification, "required");
  const response = await device.authenticate(options);
  const proof = await passkeys.verifyAuthentication(response, { challenge, passkey: stored });
  const passkey = { ...stored, counter: proof.counter };
  await refuses(() => passkeys.verifyAuthentication(response, { challenge, passkey }), "unauthorized", "again");
});

Deno.test("verifyRegistration() and verifyAuthentication() refuse nonsense without another kind of error", async () => {
  const { device, stored } = await registered();
  const made = await device.register({ challenge: "AAAA" });
  const given = await device.authenticate({ challenge: "AAAA" });
  for (const text of ["A", "AAAA", "bnVsbA", "e30", "gGE", "_____w"]) {
    for (const key of ["clientDataJSON", "attestationObject"] as const) {
      const response = registrationResponse.parse({ ...made, response: { ...made.response, [key]: text } });
      await refuses(() => passkeys.verifyRegistration(response, "AAAA"), "unprocessable", `${key} ${text}`);
    }
    for (const key of ["clientDataJSON", "authenticatorData", "signature"] as const) {
      const response = authenticationResponse.parse({ ...given, response: { ...given.response, [key]: text } });
      const work = () => passkeys.verifyAuthentication(response, { challenge: "AAAA", passkey: stored });
      await refuses(work, "unauthorized", `${key} ${text}`);
    }
  }
});

// Sealed secrets: they open for their own record and purpose only, and a failure tells nothing.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { AppError } from "../../src/errors.ts";
import { createLocalSecrets } from "../../src/integrations/secrets/local_secrets.ts";

const master = new Uint8Array(32).fill(7);
const secrets = createLocalSecrets(master);
const scope = { purpose: "byo.connection", id: "0190b6a0-0000-7000-8000-000000000001" };
const plaintext = "p@ss/wörd 😀";

async function refused(sealed: string, where = scope, from = secrets) {
  await assert.rejects(() => from.open(sealed, where), (error) => {
    assert.ok(error instanceof AppError && error.code === "internal");
    const told = `${error.message} ${error.stack} ${JSON.stringify(error)}`;
    assert.ok(!told.includes(plaintext) && !told.includes(sealed || "\0") && error.cause === undefined);
    return true;
  });
}

Deno.test("open() gives back what seal() took", async () => {
  for (const text of [plaintext, "", "\u0000\uFEFF", "x".repeat(100_000)]) {
    const sealed = await secrets.seal(text, scope);
    assert.match(sealed, /^bhs1\.1\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/);
    assert.equal(await secrets.open(sealed, scope), text);
  }
});

Deno.test("seal() shows nothing of the secret and never gives the same string twice", async () => {
  const [one, two] = [await secrets.seal(plaintext, scope), await secrets.seal(plaintext, scope)];
  assert.notEqual(one.split(".")[2], two.split(".")[2]);
  assert.notEqual(one.split(".")[3], two.split(".")[3]);
  assert.ok(!Buffer.from(one.split(".")[3], "base64url").includes(plaintext));
});

Deno.test("open() refuses another record, another purpose, and parts that run together", async () => {
  const sealed = await secrets.seal(plaintext, scope);
  await refused(sealed, { ...scope, id: "0190b6a0-0000-7000-8000-000000000002" });
  await refused(sealed, { ...scope, purpose: "webhook" });
  const joined = await secrets.seal(plaintext, { purpose: "ab", id: "c" });
  await refused(joined, { purpose: "a", id: "bc" });
  await refused(joined, { purpose: 'ab","c', id: "" });
});

Deno.test("open() refuses a sealed string with any one bit flipped", async () => {
  const [format, version, ...parts] = (await secrets.seal(plaintext, scope)).split(".");
  for (const part of [0, 1]) {
    const bytes = Buffer.from(parts[part], "base64url");
    for (let i = 0; i < bytes.length; i++) {
      const changed = Buffer.from(bytes);
      changed[i] ^= 1;
      const planted = parts.with(part, changed.toString("base64url"));
      await refused([format, version, ...planted].join("."));
    }
  }
});

Deno.test("open() refuses the data of one secret under the wrapped key of another", async () => {
  const [one, two] = [await secrets.seal("one", scope), await secrets.seal("two", scope)].map((s) => s.split("."));
  await refused([...one.slice(0, 3), two[3]].join("."));
});

Deno.test("open() refuses what is not a sealed secret", async () => {
  const sealed = await secrets.seal(plaintext, scope);
  const planted = [
    "",
    "plain",
    "bhs1...",
    sealed.slice(0, -30),
    `${sealed}.x`,
    ` ${sealed}`,
    `${sealed}\n`,
    sealed.replace("bhs1.1", "bhs1.2"),
    sealed.replace("bhs1.1", "bhs1.01"),
    sealed.replace("bhs1", "bhs2"),
  ];
  for (const text of planted) await refused(text);
});

Deno.test("open() refuses another installation's secrets", async () => {
  await refused(await secrets.seal(plaintext, scope), scope, createLocalSecrets(new Uint8Array(32).fill(8)));
});

Deno.test("createLocalSecrets() seals with the first version and opens the older ones", async () => {
  const old = await secrets.seal(plaintext, scope);
  const rotated = createLocalSecrets(master, { versions: [2, 1] });
  assert.match(await rotated.seal(plaintext, scope), /^bhs1\.2\./);
  assert.equal(await rotated.open(old, scope), plaintext);
  await refused(old, scope, createLocalSecrets(master, { versions: [2] }));
  assert.throws(() => createLocalSecrets(master, { versions: [] }));
});

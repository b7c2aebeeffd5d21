// Passwords: argon2id in workers and in-process, the same work for unknown accounts, and the rules for new ones.

import assert from "node:assert/strict";
import { argon2id } from "hash-wasm";
import { AppError } from "../../src/errors.ts";
import { DUMMY_HASH, isAcceptableHash } from "../../src/identity/argon2.ts";
import { acceptPassword, createPasswords, type Passwords } from "../../src/identity/passwords.ts";

const person = { email: "Ada.Lovelace@example.test" };

async function using(workers: number, fn: (passwords: Passwords) => Promise<void>) {
  const passwords = createPasswords({ workers });
  try {
    await fn(passwords);
  } finally {
    passwords.close();
  }
}

for (const workers of [0, 2]) {
  const where = workers ? "in workers" : "in-process";

  Deno.test(`hash() and verify() agree ${where}, with OWASP's parameters and a salt of its own`, () =>
    using(workers, async (passwords) => {
      const [one, two] = await Promise.all([passwords.hash("correct horse"), passwords.hash("correct horse")]);
      assert.match(one, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
      assert.notEqual(one, two);
      assert.equal(await passwords.verify(one, "correct horse"), true);
      assert.equal(await passwords.verify(one, "Correct horse"), false);
      assert.equal(await passwords.verify(one, ""), false);
    }));
}

Deno.test("hash() in workers leaves the event loop free", () =>
  using(2, async (passwords) => {
    await passwords.hash("start the workers");
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    await Promise.all(["a", "b", "c", "d"].map((password) => passwords.hash(password)));
    clearInterval(timer);
    // Hashing on this thread would let the timer run once between two hashes.
    assert.ok(ticks >= 10, `The timer ran ${ticks} times`);
  }));

Deno.test("verify() does the same work for an account that does not exist", () =>
  using(0, async (passwords) => {
    const hash = await passwords.hash("correct horse");
    const time = async (stored: string | null) => {
      const start = performance.now();
      assert.equal(await passwords.verify(stored, "wrong horse"), false);
      return performance.now() - start;
    };
    const known: number[] = [];
    const unknown: number[] = [];
    for (let i = 0; i < 5; i++) known.push(await time(hash)), unknown.push(await time(null));
    const ratio = Math.min(...unknown) / Math.min(...known);
    assert.ok(ratio > 0.6 && ratio < 1.6, `Unknown accounts take ${ratio.toFixed(2)} of the time of known ones`);
  }));

Deno.test("verify() refuses a stored hash that would choose a cost of its own", () =>
  using(0, async (passwords) => {
    const rest = "c29tZXNhbHRzb21lc2FsdA$" + "A".repeat(43);
    const planted = ["m=4194304,t=2,p=1", "m=19456,t=99,p=1", "m=19456,t=2,p=99", "m=0,t=2,p=1", "m=8,t=1,p=4"];
    for (const cost of planted) assert.equal(isAcceptableHash(`$argon2id$v=19$${cost}$${rest}`), false, cost);
    const start = performance.now();
    assert.equal(await passwords.verify(`$argon2id$v=19$m=4194304,t=50,p=1$${rest}`, "x"), false);
    assert.ok(performance.now() - start < 10_000);
    for (const odd of ["", "plain", "$argon2i$v=19$m=8,t=1,p=1$aaaa$bbbb", "$2b$10$abc", "{}"]) {
      assert.equal(await passwords.verify(odd, "plain"), false, odd);
    }
  }));

Deno.test("isAcceptableHash() takes the dummy hash and hashes of a cost near ours", async () => {
  assert.ok(isAcceptableHash(DUMMY_HASH));
  const salt = new Uint8Array(16);
  const base = { password: "x", salt, hashLength: 32, outputType: "encoded" as const };
  assert.ok(isAcceptableHash(await argon2id({ ...base, memorySize: 46_080, iterations: 1, parallelism: 1 })));
});

Deno.test("hash() refuses and verify() denies a password of more than 256 characters", () =>
  using(0, async (passwords) => {
    await assert.rejects(() => passwords.hash("x".repeat(257)), { code: "unprocessable" });
    assert.equal(await passwords.verify(await passwords.hash("x".repeat(256)), "x".repeat(256)), true);
    assert.equal(await passwords.verify(null, "x".repeat(1_000_000)), false);
  }));

Deno.test("verify() takes composed and decomposed letters for the same password", () =>
  using(0, async (passwords) => {
    assert.equal(await passwords.verify(await passwords.hash("caf\u00e9 au lait"), "cafe\u0301 au lait"), true);
  }));

Deno.test("verify() answers overloaded when too many wait, and close() refuses what is left", async () => {
  for (const workers of [0, 1]) {
    const passwords = createPasswords({ workers });
    const outcome = () => passwords.verify(null, "x").then(() => "done", (error: AppError) => error.detail ?? "");
    const all = Array.from({ length: 250 }, outcome);
    passwords.close();
    const outcomes = await Promise.all(all);
    const count = (text: string) => outcomes.filter((outcome) => outcome.includes(text)).length;
    assert.equal(count("Too many sign-ins"), 49, "one runs, 200 wait");
    assert.equal(count("stopping") + count("done"), 201);
    assert.equal(count("done"), workers === 0 ? 1 : 0);
  }
});

/** Runs `fn` while `Worker` is what the planted fault makes of it. */
async function withWorker(planted: unknown, fn: (passwords: Passwords) => Promise<void>) {
  const real = globalThis.Worker;
  Object.defineProperty(globalThis, "Worker", { value: planted, configurable: true, writable: true });
  try {
    await using(2, fn);
  } finally {
    Object.defineProperty(globalThis, "Worker", { value: real, configurable: true, writable: true });
  }
}

Deno.test("createPasswords() hashes in-process where there is no Worker or it refuses to start", async () => {
  const refusing = class {
    constructor() {
      throw new Error("Not supported");
    }
  };
  for (const planted of [undefined, refusing]) {
    await withWorker(planted, async (passwords) => {
      const hashes = await Promise.all(["one", "two", "three"].map((password) => passwords.hash(password)));
      assert.equal(await passwords.verify(hashes[2], "three"), true);
    });
  }
});

Deno.test("hash() is refused when its worker dies, and the process lives on", async () => {
  const broken = class extends Worker {
    constructor() {
      super("data:text/javascript,throw new Error('planted')", { type: "module" });
    }
  };
  await withWorker(broken, async (passwords) => {
    await assert.rejects(() => passwords.hash("one"), { code: "internal", message: "A password worker stopped" });
    await assert.rejects(() => passwords.hash("two"), { code: "internal" });
  });
});

Deno.test("close() refuses what comes after it", async () => {
  const passwords = createPasswords();
  passwords.close();
  await assert.rejects(() => passwords.hash("late"), { code: "overloaded" });
});

Deno.test("verify() denies and hash() refuses an empty password", () =>
  using(0, async (passwords) => {
    assert.equal(await passwords.verify(DUMMY_HASH, ""), false);
    await assert.rejects(() => passwords.hash(""), { code: "unprocessable" });
  }));

Deno.test("acceptPassword() takes a long phrase", async () => {
  for (const password of ["four sturdy lamps", "ünïcödé 12", "rivulet-4471-bench"]) {
    await acceptPassword(password, person);
  }
});

Deno.test("acceptPassword() names the field and the reason", async () => {
  const cases: [string, RegExp][] = [
    ["", /at least 10 characters, this one has 0/],
    ["short", /at least 10/],
    ["😀😀😀😀😀", /this one has 5/],
    ["x".repeat(257), /at most 256/],
    ["ada.lovelace@EXAMPLE.test", /not the e-mail address/],
    ["ada.lovelace", /not the e-mail address/],
    ["the one until now", /another password/],
    ["Password123", /well known/],
    ["1234567890", /well known/],
    ["aaaaaaaaaaaa", /well known/],
    ["1212121212", /well known/],
    ["qwertyuiop", /well known/],
    [" Butterfly2026! ", /well known/],
    ["manchester", /well known/],
    ["correcthorsebatterystaple", /well known/],
  ];
  for (const [password, reason] of cases) {
    const owner = { ...person, current: "the one until now", field: "new_password" };
    await assert.rejects(() => acceptPassword(password, owner), (error) => {
      assert.ok(error instanceof AppError && error.code === "unprocessable");
      assert.equal(error.fields?.[0].path, "new_password");
      assert.match(error.detail ?? "", reason);
      return true;
    }, password);
  }
});

Deno.test("acceptPassword() knows the list of leaked passwords, not only its own few", async () => {
  const { dictionary } = await import("@zxcvbn-ts/language-common");
  const leaked = dictionary["passwords-common"].filter((password) => password.length >= 10);
  assert.ok(leaked.length > 500, `${leaked.length}`);
  for (const password of leaked.slice(0, 300)) {
    await assert.rejects(() => acceptPassword(password, person), { code: "unprocessable" }, password);
  }
});

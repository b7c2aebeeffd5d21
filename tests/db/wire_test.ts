// The wire against drivers that do not keep to the rules, and against servers that do not.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import postgres from "postgres";
import { Connection, driverOptions } from "../../src/db/connection.ts";
import { openDirect } from "../../src/db/direct.ts";
import { Wire } from "../../src/db/wire.ts";
import { openSession, type Target } from "../../src/db/wire_connect.ts";
import { ContextStatement } from "../../src/db/wire_messages.ts";
import { as, database, failure, falseServer, message, WELCOME, withPool } from "./setup.ts";

const target = await database("wire");

/** The stock driver over a scoped wire, without the pool that asks for permits. */
async function withDriver(
  fn: (driver: postgres.Sql, wire: Wire) => Promise<void>,
  change: Partial<Target> = {},
): Promise<void> {
  const wire = new Wire({ ...target, ...change }, await openSession(target), { scoped: true });
  const driver = postgres(driverOptions(wire, {}));
  await fn(driver, wire);
  wire.destroy();
  await wire.closed;
}

const statement = new ContextStatement("one", "select 1", 0);
const permit = { statement, bytes: statement.bind([]) };

Deno.test("Wire refuses a statement without a context", () =>
  withDriver(async (driver, wire) => {
    assert.match((await failure(driver`select 1`)).message, /without a context/);
    assert.ok(wire.down);
  }));

Deno.test("Wire refuses the simple protocol in a scope", () =>
  withDriver(async (driver, wire) => {
    wire.enter({ context: permit });
    assert.match((await failure(driver.unsafe("select 1"))).message, /simple protocol/);
    assert.ok(wire.down);
  }));

Deno.test("Wire refuses a second statement on one permit", () =>
  withDriver(async (driver, wire) => {
    wire.enter({ context: permit });
    assert.deepEqual([...await driver`select 1 as one`], [{ one: 1 }]);
    assert.match((await failure(driver`select 2`)).message, /without a context/);
    assert.ok(wire.down);
  }));

Deno.test("Wire refuses a further statement when no transaction is open", () =>
  withDriver(async (driver, wire) => {
    wire.within();
    assert.match((await failure(driver`select 1`)).message, /without a context/);
  }));

Deno.test("Wire forgets a permit that was not used in its lease", () =>
  withDriver(async (driver, wire) => {
    wire.enter({ context: permit });
    wire.startLease(1_000_000);
    assert.match((await failure(driver`select 1`)).message, /without a context/);
  }));

Deno.test("Wire refuses cursors, which need messages that a scope does not have", () =>
  withDriver(async (driver, wire) => {
    wire.enter({ context: permit });
    const rows = driver`select n from generate_series(1, 10) n`.cursor(2, () => {});
    await failure(rows);
    assert.ok(wire.down);
  }));

Deno.test("Wire refuses statements with a name, and of earlier, behind a pooler", async () => {
  const behind = { pooler: "transaction" } as const;
  const unnamed = { statement: statement.unnamed, bytes: statement.unnamed.bind([]) };
  const ask = (driver: postgres.Sql, prepare: boolean) => {
    const options = { prepare, simple: false };
    return driver.unsafe("select 1 as one", [], options);
  };
  await withDriver(async (driver, wire) => {
    assert.equal(wire.pid, 0);
    wire.enter({ context: unnamed });
    assert.deepEqual([...await ask(driver, false)], [{ one: 1 }]);
    assert.equal(wire.prepared, 0);
    wire.enter({ context: unnamed });
    assert.match((await failure(ask(driver, true))).message, /keeps no statements/);
    assert.ok(wire.down);
  }, behind);
  await withDriver(async (driver, wire) => {
    wire.enter({ context: unnamed });
    await ask(driver, false);
    wire.enter({ context: unnamed });
    wire.write(Buffer.concat([unnamed.bytes, message("S")])); // binds and executes what was parsed before
    assert.match(wire.down?.message ?? "", /keeps no statements/);
  }, behind);
});

Deno.test("Wire answers every later statement of a driver when it is dead", () =>
  withDriver(async (driver, wire) => {
    wire.enter({ context: permit });
    await driver`select 1`;
    wire.destroy();
    assert.equal((await failure(driver`select 1`)).code, "database_unavailable"); // it was under way
    for (let i = 0; i < 3; i++) assert.equal((await failure(driver`select ${i}::int`)).code, "08006");
  }));

Deno.test("ContextStatement.bind() refuses values of another number or size", () => {
  const statement = new ContextStatement("two", "select $1, $2", 2);
  assert.throws(() => statement.bind(["a"]), { code: "internal" });
  assert.throws(() => statement.bind(["a", "b", "c"]), { code: "internal" });
  assert.throws(() => statement.bind(["a", undefined as unknown as string]), { code: "internal" });
  assert.throws(() => statement.bind(["a", "x".repeat(9_000)]), { code: "internal" });
});

Deno.test("ContextStatement.bind() sends texts of any script as they are", () =>
  withPool(target, { max: 1 }, async (pool) => {
    for (const tenant of ["", "ü😀", "it's", "x".repeat(8_192)]) {
      const [row] = await pool.run(as(tenant), (tx) => tx`select current_setting('app.tenant_id') as tenant`);
      assert.equal(row.tenant, tenant);
    }
  }));

/** The code of why openSession() refused. */
async function refusal(server: Parameters<typeof openSession>[0], connectMs = 2_000): Promise<string> {
  const error = await failure(openSession(server, { connectMs }));
  assert.equal(error.code, "database_unavailable");
  return (error.cause as { code: string }).code;
}

Deno.test("openSession() sends no password to a server that asks for it in clear or as MD5", async () => {
  for (const request of [message("R", 3), message("R", 5, Buffer.from("salt"))]) {
    const received: string[] = [];
    await falseServer((_, chunk) => (received.push(chunk.toString()), request), async (server) => {
      assert.equal(await refusal(server), "WEAK_AUTHENTICATION");
    });
    assert.equal(received.length, 1);
    assert.ok(!received.join("").includes("secret"));
  }
});

/** Plays the server's part of SCRAM; `twist` spoils it. */
function scramServer(twist: { iterations?: number; nonce?: string; proof?: boolean; skip?: boolean } = {}) {
  const { iterations = 4096, nonce, proof = true, skip = false } = twist;
  const salt = Buffer.from("0123456789abcdef");
  let clientFirst = "", serverFirst = "";
  return (n: number, chunk: Buffer): Uint8Array => {
    if (n === 0) return message("R", 10, "SCRAM-SHA-256\0\0");
    if (n === 1) {
      clientFirst = chunk.toString().split("n,,")[1];
      const theirs = nonce ?? clientFirst.split("r=")[1] + "server";
      serverFirst = `r=${theirs},s=${salt.toString("base64")},i=${iterations}`;
      return message("R", 11, serverFirst);
    }
    if (skip) return WELCOME;
    const withoutProof = chunk.toString("utf8", 5).split(",p=")[0];
    const salted = pbkdf2Sync("secret", salt, iterations, 32, "sha256");
    const hmac = (key: Uint8Array, text: string) => createHmac("sha256", key).update(text).digest();
    const exchange = `${clientFirst},${serverFirst},${withoutProof}`;
    const signature = hmac(createHash("sha256").update(hmac(salted, "Client Key")).digest(), exchange);
    const expected = hmac(salted, "Client Key").map((byte, at) => byte ^ signature[at]);
    assert.equal(chunk.toString().split(",p=")[1], Buffer.from(expected).toString("base64"));
    const final = hmac(hmac(salted, "Server Key"), exchange);
    if (!proof) final[0] ^= 1;
    return Buffer.concat([message("R", 12, `v=${final.toString("base64")}`), WELCOME]);
  };
}

Deno.test("openSession() logs in by SCRAM-SHA-256 and checks the server's proof", async () => {
  await falseServer(scramServer(), async (server) => {
    const session = await openSession(server);
    assert.equal(session.pid, 4242);
    session.socket.destroy();
  });
});

Deno.test("openSession() refuses false SCRAM: iterations, nonce, proof, none at all; and does not compute for long", async () => {
  const twists = [
    { iterations: 20_000_000 },
    { iterations: 200_001 },
    { iterations: 1 },
    { nonce: "other" },
    { nonce: "" },
    { proof: false },
  ];
  for (const twist of twists) {
    const start = performance.now();
    await falseServer(scramServer(twist), async (server) => assert.equal(await refusal(server), "SCRAM_REFUSED"));
    assert.ok(performance.now() - start < 5_000);
  }
  await falseServer(scramServer({ skip: true }), async (server) => {
    assert.equal(await refusal(server), "WEAK_AUTHENTICATION");
  });
});

Deno.test("openSession() refuses what is not PostgreSQL, floods, early ends, silence and a missing TLS", async () => {
  const cases: [string, Parameters<typeof falseServer>[0]][] = [
    ["PROTOCOL", () => "HTTP/1.1 400 Bad Request\r\n\r\n"],
    ["PROTOCOL", () => message("N", "x".repeat(300_000))],
    ["PROTOCOL", () => message("Z", "I")],
    ["PROTOCOL", () => Buffer.concat([message("R", 0), message("T", "abc")])],
    ["WEAK_AUTHENTICATION", () => message("R", 7)],
    ["53300", () => message("E", "SFATAL\0VFATAL\0C53300\0Mtoo many\0\0")],
    ["ECONNRESET", (_, __, socket) => void socket.end()],
    ["CONNECT_TIMEOUT", () => undefined],
    ["CONNECT_TIMEOUT", () => message("R", 0)],
  ];
  for (const [code, script] of cases) {
    await falseServer(script, async (server) => assert.equal(await refusal(server, 150), code));
  }
  const withTls = { tls: { mode: "require" as const } };
  await falseServer(() => "N", async (server) => assert.equal(await refusal({ ...server, ...withTls }), "TLS_REFUSED"));
  await falseServer(() => "Sstuffed", async (server) => {
    assert.equal(await refusal({ ...server, ...withTls }), "TLS_REFUSED");
  });
});

/** A server that trusts everyone and answers the first statement with these bytes. */
function answering(answer: Uint8Array) {
  return (n: number) => n === 0 ? WELCOME : n === 1 ? answer : undefined;
}

const CONTEXT_DONE = Buffer.concat([message("1"), message("2"), message("C", "SELECT 1\0")]);

Deno.test("Wire cuts a server that sends what nobody asked for", async () => {
  const cases: Record<string, Uint8Array> = {
    "an oversized row": Buffer.concat([CONTEXT_DONE, Buffer.from([0x44, 0x7f, 0, 0, 0])]),
    "an oversized error": Buffer.concat([CONTEXT_DONE, Buffer.from([0x45, 0x7f, 0, 0, 0])]),
    "a negative length": Buffer.concat([CONTEXT_DONE, Buffer.from([0x44, 0xff, 0xff, 0xff, 0xff])]),
    "a length of zero": Buffer.concat([CONTEXT_DONE, Buffer.from([0x44, 0, 0, 0, 0])]),
    "a login request": Buffer.concat([CONTEXT_DONE, message("R", 3)]),
    "COPY": Buffer.concat([CONTEXT_DONE, message("G", "\0\0\0")]),
    "an unknown message": Buffer.concat([CONTEXT_DONE, message("w")]),
    "a description in the context": message("T", "\0\0"),
    "a second answer": Buffer.concat([CONTEXT_DONE, message("Z", "I"), message("Z", "I")]),
    "two contexts": Buffer.concat([CONTEXT_DONE, CONTEXT_DONE, message("D", "\0\0"), message("Z", "I")]),
    "a broken row": Buffer.concat([
      CONTEXT_DONE,
      message("1"),
      message("2"),
      message("D", "\0\x09"),
      message("Z", "I"),
    ]),
  };
  for (const [name, answer] of Object.entries(cases)) {
    await falseServer(answering(answer), (server) =>
      withPool(server, { max: 1, deadlineMs: 5_000 }, async (pool) => {
        const start = performance.now();
        await failure(pool.run(as("a"), (tx) => tx`select 1`));
        assert.ok(performance.now() - start < 5_000, name);
        assert.equal(pool.stats().connections, 0, name);
      }));
  }
});

Deno.test("Wire cuts a server that is ready before it was asked", () =>
  falseServer(
    answering(Buffer.concat([CONTEXT_DONE, message("Z", "I")])),
    async (server) => {
      const wire = new Wire(server, await openSession(server), { scoped: true });
      const driver = postgres(driverOptions(wire, {}));
      wire.enter({ context: permit });
      const error = await failure(driver`select ${1}`); // the driver describes a statement with a value before it asks
      assert.match(error.message, /nobody asked for/);
      await wire.closed;
    },
  ));

Deno.test("Wire stops a server that sends rows without end", async () => {
  const row = message("D", Buffer.alloc(60_000));
  const script = (n: number, _: Buffer, socket: { write(bytes: Uint8Array): boolean; destroyed: boolean }) => {
    if (n === 0) return WELCOME;
    if (n > 1) return undefined;
    const pour = setInterval(() => {
      if (socket.destroyed) return clearInterval(pour);
      for (let i = 0; i < 20; i++) socket.write(row);
    }, 1);
    return Buffer.concat([CONTEXT_DONE, message("1"), message("t", "\0\0"), message("T", "\0\0"), message("2")]);
  };
  await falseServer(script, (server) =>
    withPool(server, { max: 1, byteLimit: 5_000_000 }, async (pool) => {
      const error = await failure(pool.run(as("a"), (tx) => tx`select 1`));
      assert.match(error.message, /more than 5000000 bytes/);
    }));
});

Deno.test("Connection asks the server for text that our parsers know", async () => {
  const connection = await Connection.open(target, {});
  const context = { statement: permit.statement, values: () => [] };
  const text = "select current_setting('TimeZone') as zone, current_setting('DateStyle') as style, " +
    "current_setting('client_encoding') as encoding, current_setting('application_name') as name";
  const rows = await connection.enter(context, { text, values: [] }, false);
  assert.deepEqual(rows, [{ zone: "UTC", style: "ISO, MDY", encoding: "UTF8", name: "bulkhead" }]);
  await connection.wire.close();
});

Deno.test("openDirect() is refused by the same servers", () =>
  falseServer(() => message("R", 3), async (server) => {
    assert.equal((await failure(openDirect(server))).code, "database_unavailable");
  }));

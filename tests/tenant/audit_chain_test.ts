// The chain of the audit: whatever is done to the rows by one who may write the database's files is found by audit.verify and
// by the offline check; the run-time login can do nothing to them at all, and cannot write into another tenant's chain.
import assert from "node:assert/strict";
import type { Sql } from "../../src/db/direct.ts";
import { ChainCheck, checkLines, lineOf } from "../../src/tenant/audit/offline.ts";
import { freshTenant, type TestTenant } from "../../src/testing/mod.ts";
import { testPlatform } from "../../src/testing/platform.ts";
import { addBuilding, exported, verified, writeAnew } from "./audited.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };

const step = (t: Deno.TestContext, name: string, fn: () => void | Promise<void>) => t.step({ name, ...loose, fn });

/** A tenant with five entries in its chain, and the superuser's view of its placement. */
async function withChain(work: (tenant: TestTenant, admin: Sql) => Promise<void>): Promise<void> {
  const tenant = await freshTenant();
  for (let i = 1; i <= 5; i++) await addBuilding(tenant, `B${i}`);
  await work(tenant, await (await testPlatform()).admin(tenant.placement.database));
}

/** What a superuser does to the rows, and the entry at which it must be found. */
const TAMPERINGS: [string, number | null, (tenant: string) => string][] = [
  [
    "an edited change",
    3,
    (t) =>
      `update tenant.audit set changes = jsonb_set(changes, '{name}', '"other"') where tenant_id = '${t}' and seq = 3`,
  ],
  ["an edited actor", 2, (t) => `update tenant.audit set actor = 'member:x' where tenant_id = '${t}' and seq = 2`],
  [
    "an edited time",
    4,
    (t) => `update tenant.audit set at = at - interval '1 microsecond' where tenant_id = '${t}' and seq = 4`,
  ],
  ["an emptied field", 1, (t) => `update tenant.audit set resource_id = null where tenant_id = '${t}' and seq = 1`],
  ["a row removed from the middle", 3, (t) => `delete from tenant.audit where tenant_id = '${t}' and seq = 3`],
  ["the first row removed", 1, (t) => `delete from tenant.audit where tenant_id = '${t}' and seq = 1`],
  ["the last row removed", 5, (t) => `delete from tenant.audit where tenant_id = '${t}' and seq = 5`],
  ["all rows removed", 1, (t) => `delete from tenant.audit where tenant_id = '${t}'`],
  ["rows in another order", 2, (t) =>
    `update tenant.audit set seq = -seq where tenant_id = '${t}' and seq in (2, 3);
    update tenant.audit set seq = case seq when -2 then 3 else 2 end where tenant_id = '${t}' and seq < 0`],
  [
    "a row put in at the end",
    6,
    (t) =>
      `insert into tenant.audit select tenant_id, 6, at, actor, origin, operation, action, resource,
    resource_id, changes, hash, sha256(hash) from tenant.audit where tenant_id = '${t}' and seq = 5`,
  ],
  ["the head removed", 5, (t) => `delete from app.audit_heads where tenant_id = '${t}'`],
  [
    "a row put in before the first",
    0,
    (t) =>
      `insert into tenant.audit select tenant_id, 0, at, actor, origin, operation, action, resource, resource_id, changes,
        sha256(''), prev_hash from tenant.audit where tenant_id = '${t}' and seq = 1`,
  ],
  ["rows and head removed from the end", null, (t) =>
    `delete from tenant.audit where tenant_id = '${t}' and seq > 3;
    update app.audit_heads set seq = 3, hash = (select hash from tenant.audit where tenant_id = '${t}' and seq = 3) where tenant_id = '${t}'`],
];

Deno.test("audit.verify finds what was done to the rows, and where", loose, async (t) => {
  for (const [name, at, plant] of TAMPERINGS) {
    await step(t, name, async () => {
      await withChain(async (tenant, admin) => {
        const before = await verified(tenant);
        assert.deepEqual([before.ok, before.entries, before.head.seq], [true, 5, 5]);
        await admin.unsafe(plant(tenant.id));
        const remembered = `${before.head.seq}:${before.head.hash}`;
        if (at !== null) assert.equal((await verified(tenant)).fault?.seq, at);
        assert.equal((await verified(tenant, remembered)).ok, false);
        if (at === 6) return; // an export ends where the chain says that it ends
        const lines = await exported(tenant);
        assert.ok(checkLines(lines, before.head).fault, "the offline check did not find it");
      });
    });
  }
});

Deno.test("audit.verify finds a chain that was written anew by a head that was remembered", loose, async () => {
  await withChain(async (tenant, admin) => {
    const { head } = await verified(tenant);
    await writeAnew(tenant, admin);
    assert.equal((await verified(tenant)).ok, true, "the new chain is sound in itself");
    assert.equal((await verified(tenant, `${head.seq}:${head.hash}`)).fault?.seq, 5);
  });
});

Deno.test("the offline check finds an export that was edited", loose, async (t) => {
  await withChain(async (tenant) => {
    const lines = await exported(tenant);
    assert.equal(checkLines(lines).fault, null);
    const edits: [string, (lines: string[]) => string[]][] = [
      ["a changed field", (all) => all.with(1, all[1].replace('"action":"insert"', '"action":"delete"'))],
      ["a changed value", (all) => all.with(2, all[2].replace('"B3"', '"B9"'))],
      ["a field written twice", (all) => all.with(1, all[1].replace('{"tenant_id"', '{"actor":"-","tenant_id"'))],
      ["a space", (all) => all.with(1, all[1].replace('"seq":2', '"seq": 2'))],
      ["a line removed", (all) => all.toSpliced(2, 1)],
      ["lines exchanged", (all) => [all[0], all[2], all[1], ...all.slice(3)]],
      ["a line repeated", (all) => [all[0], all[0], ...all.slice(1)]],
      ["the last entry removed", (all) => all.toSpliced(-2, 1)],
      ["the end cut off", (all) => all.slice(0, -1)],
    ];
    for (const [name, edit] of edits) {
      await t.step(name, () => assert.ok(checkLines(edit(lines)).fault, `${name} was not found`));
    }
    const check = new ChainCheck({ complete: true });
    for (const line of lines.slice(0, -1)) {
      check.add({ ...JSON.parse(line), changes: /,"changes":(.*)}$/.exec(line)![1] });
    }
    assert.equal(check.entries, 5);
    assert.equal(lineOf({ ...JSON.parse(lines[0]), changes: /,"changes":(.*)}$/.exec(lines[0])![1] }), lines[0]);
  });
});

Deno.test("the offline check runs as a program of one file", loose, async () => {
  await withChain(async (tenant) => {
    const dir = await Deno.makeTempDir({ prefix: "bulkhead-audit-" });
    try {
      const source = new URL("../../src/tenant/audit/offline.ts", import.meta.url);
      const imports = [...(await Deno.readTextFile(source)).matchAll(/^import .* from "(.*)"/gm)].map((match) =>
        match[1]
      );
      assert.deepEqual(imports, ["node:crypto"]);
      await Deno.copyFile(source, `${dir}/offline.ts`);
      const run = async (text: string | null, ...args: string[]) => {
        if (text !== null) await Deno.writeTextFile(`${dir}/audit.jsonl`, text);
        const command = ["run", "--no-config", "--no-lock", "--allow-read", `${dir}/offline.ts`];
        const given = args.length ? args : ["audit.jsonl"];
        const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
          args: [...command, ...given],
          cwd: dir,
        }).output();
        const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
        assert.doesNotMatch(said, /Uncaught|\n +at /, "a stack trace");
        return { code, text: said };
      };
      const lines = await exported(tenant);
      const { head } = await verified(tenant);
      const remembered = `${head.seq}:${head.hash}`;
      const whole = lines.join("\n") + "\n";
      const sound = await run(whole);
      assert.equal(sound.code, 0);
      assert.match(sound.text, /^✔ 5 entries; the chain ends with 5:[0-9a-f]{64}/);
      for (
        const args of [["--head", remembered, "audit.jsonl"], ["audit.jsonl", "--complete", `--head=${remembered}`]]
      ) {
        assert.deepEqual(await run(whole, ...args), sound, args.join(" "));
      }
      assert.deepEqual((await run(lines.toSpliced(1, 1).join("\n"))).code, 1);
      assert.equal((await run(whole.replace(/\}\n$/, ""))).code, 1, "cut off within the last line");
      assert.equal((await run("")).code, 1);

      const said = lines.map((line) => line.replace('{"trailer":{"complete":true', '{"trailer":{"complete":false'));
      const part = said.toSpliced(1, 2).join("\n");
      const partial = await run(part);
      assert.equal(partial.code, 3);
      assert.match(partial.text, /^PARTIAL: 3 of 5 entries, and that more were removed cannot be ruled out\n$/);
      for (const args of [["--complete"], ["--head", remembered]]) {
        const refused = await run(part, "audit.jsonl", ...args);
        assert.equal(refused.code, 1);
        assert.match(refused.text, /^✘ The export is a part, 3 of 5 entries/);
      }
      assert.equal(
        (await run(part.replace('"head":{"seq":5', '"head":{"seq":2'))).code,
        1,
        "another number of entries",
      );

      const unusable = [
        ["--hed", remembered],
        ["--head"],
        ["--head", "5"],
        ["--head", remembered, "--head", remembered],
        ["audit.jsonl"],
      ];
      for (const args of unusable) {
        const answer = await run(whole, "audit.jsonl", ...args);
        assert.equal(answer.code, 2, args.join(" "));
        assert.match(answer.text, /^Give the file of an export in JSON lines/);
      }
      assert.match((await run(null, "missing.jsonl")).text, /^The file cannot be read/);
      const csv = await run(await (await tenant.fetch("/v1/audit/export?format=csv")).text());
      assert.equal(csv.code, 2);
      assert.match(csv.text, /^This is no export in JSON lines/);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  });
});

Deno.test("the run-time login cannot change, add or lock an entry, nor see the heads", loose, async (t) => {
  await withChain(async (tenant) => {
    const statements: Record<
      string,
      (tx: Parameters<Parameters<TestTenant["asTenant"]>[0]>[0]) => PromiseLike<unknown>
    > = {
      update: (tx) => tx`update tenant.audit set actor = 'x'`,
      delete: (tx) => tx`delete from tenant.audit`,
      insert: (tx) =>
        tx`insert into tenant.audit (seq, at, actor, action, resource, changes, prev_hash, hash)
        values (6, now(), '-', 'insert', 'x', '{}', '', '')`,
      lock: (tx) => tx`select seq from tenant.audit for update`,
      head: (tx) => tx`update app.audit_heads set seq = 0`,
      pending: (tx) => tx`select * from app.audit_pending`,
      "replica role": (tx) => tx`select set_config('session_replication_role', 'replica', true)`,
    };
    for (const [name, statement] of Object.entries(statements)) {
      await step(t, name, () => assert.rejects(tenant.asTenant(statement), { code: "forbidden" }));
    }
    assert.equal((await verified(tenant)).entries, 5);
  });
});

Deno.test("a context that is changed between write and commit undoes the write", loose, async (t) => {
  const other = await freshTenant();
  await withChain(async (tenant, admin) => {
    const changes: [string, string][] = [
      ["to another tenant", `select set_config('app.tenant_id', '${other.id}', true)`],
      ["to none", "select set_config('app.tenant_id', '', true)"],
      ["to another proof", "select set_config('app.proof', 'v1.1.member:x.0.9999999999.00', true)"],
    ];
    for (const [name, text] of changes) {
      await step(t, name, async () => {
        const write = tenant.asTenant(async (tx) => {
          await tx`insert into tenant.buildings (name, address, city, country) values ('unseen', 'x', 'x', 'CA')`;
          // What an injection would do.
          await tx(Object.assign([text], { raw: [text] }) as unknown as TemplateStringsArray);
        });
        await assert.rejects(write, (error: { code: string }) => ["forbidden", "context_refused"].includes(error.code));
      });
    }
    const [{ count }] = await admin`select count(*)::int as count from tenant.buildings where name = 'unseen'`;
    assert.equal(count, 0);
    assert.deepEqual((await verified(other)).entries, 0);
  });
});

Deno.test("a lone statement whose entry is refused at the commit is refused to its caller", loose, async () => {
  await withChain(async (tenant, admin) => {
    const write = tenant.asTenant((tx) =>
      tx`with made as (insert into tenant.buildings (name, address, city, country) values ('unseen', 'x', 'x', 'CA'))
        select set_config('app.tenant_id', '', true)`
    );
    await assert.rejects(write, { code: "forbidden" });
    const [{ count }] = await admin`select count(*)::int as count from tenant.buildings where name = 'unseen'`;
    assert.equal(count, 0);
    await addBuilding(tenant, "B6");
    assert.equal((await verified(tenant)).entries, 6);
  });
});

Deno.test("writers of one tenant make one chain without gaps, and do not deadlock", loose, async () => {
  await withChain(async (tenant) => {
    const rows = await tenant.asTenant((tx) => tx<{ id: string }>`select id from tenant.buildings order by id limit 2`);
    const [first, second] = rows.map((row) => row.id);
    await Promise.all(
      Array.from({ length: 24 }, (_, i) =>
        i % 2 ? addBuilding(tenant, `C${i}`) : tenant.asTenant(async (tx) => {
          await tx`update tenant.buildings set city = ${`c${i}`} where id = ${first}`;
          await tx`update tenant.buildings set city = ${`c${i}`} where id = ${second}`;
        })),
    );
    const { ok, entries, head } = await verified(tenant);
    assert.deepEqual([ok, entries, head.seq], [true, 5 + 12 + 24, 41]);
  });
});

Deno.test("a bulk write whose context is taken away in the same statement is undone", loose, async () => {
  await withChain(async (tenant, admin) => {
    const [meter] = await tenant.asTenant((tx) =>
      tx<{ id: string }>`with property as (
          insert into tenant.properties (building_id, label) select id, 'F' from tenant.buildings limit 1 returning id)
        select id from property`
    ).then(([property]) =>
      tenant.asTenant((tx) =>
        tx<{ id: string }>`insert into tenant.meters (property_id, serial_number, utility, unit, time_zone)
          values (${property.id}, 'S', 'water', 'm3', 'UTC') returning id`
      )
    );
    const write = tenant.asTenant((tx) =>
      tx`with made as (insert into tenant.meter_readings (meter_id, ends_at, billing_day, value)
          values (${meter.id}, '2020-01-01T00:00:00Z', '2020-01-01', 1) returning 1)
        select set_config('app.tenant_id', '', true) from made`
    );
    await assert.rejects(write, { code: "forbidden" });
    const [{ readings, notes }] =
      await admin`select (select count(*)::int from tenant.meter_readings where meter_id = ${meter.id})
      as readings, (select count(*)::int from app.audit_pending) as notes`;
    assert.deepEqual([readings, notes], [0, 0]);
  });
});

Deno.test("a superuser's write without a context leaves no entry and no note", loose, async () => {
  await withChain(async (tenant, admin) => {
    await admin`update tenant.buildings set city = 'y' where tenant_id = ${tenant.id}`;
    await admin`delete from tenant.meter_readings where tenant_id = ${tenant.id}`;
    assert.equal((await verified(tenant)).entries, 5);
    const [{ notes }] = await admin`select count(*)::int as notes from app.audit_pending`;
    assert.equal(notes, 0);
  });
});

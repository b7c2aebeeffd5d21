// A process does not start with a run-time login that may too much: no fault → starts; plant → refuses by name; repair →
// starts again. The faults are made on the server itself, so each is taken back whatever happens.
import assert from "node:assert/strict";
import { OWN_ROLES } from "../../src/db/names.ts";
import type { Sql } from "../../src/db/direct.ts";
import { createServices } from "../../src/services.ts";
import { bootApp, type TestApp, type TestTenant } from "../support/app.ts";
import { adminSql } from "../support/postgres.ts";

let app: TestApp;
let dedicated: TestTenant;
let admin: Sql;
Deno.test.beforeAll(async () => {
  app = await bootApp();
  dedicated = await app.tenant("boot-check", "dedicated");
  admin = await adminSql(app.services.servers.settings.platformDatabase);
});
Deno.test.afterAll(async () => {
  await admin.end();
  await app.stop();
});

const loose = { sanitizeOps: false, sanitizeResources: false };
const { platformLogin, queueLogin, tenantLogin, owner } = OWN_ROLES;

/** Wires a second process up as serve() does, and stops it. */
async function start(): Promise<void> {
  const { config, servers, publicUrl, mail, log } = app.services;
  const running = await createServices({
    config,
    servers,
    publicUrl,
    worker: false,
    localMail: mail,
    log,
    hashWorkers: 0,
    listen: false,
  });
  await running.stop();
}

Deno.test("createServices() starts with logins that may what they should", loose, () => start());

Deno.test("createServices() refuses to start with a run-time login that may too much", loose, async (t) => {
  const { platformDatabase, sharedDatabase } = app.services.servers.settings;
  const record = await app.services.directory.byId(dedicated.id);
  const dedicatedLogin = record!.placement.login;
  const faults: [string, string, string, RegExp][] = [
    ...[platformLogin, queueLogin, tenantLogin, dedicatedLogin].flatMap((login): [string, string, string, RegExp][] => [
      [login, "superuser", "nosuperuser", /is a superuser/],
      [login, "bypassrls", "nobypassrls", /has BYPASSRLS/],
    ]).map(([login, plant, repair, says]): [string, string, string, RegExp] => [
      login,
      `alter role ${login} ${plant}`,
      `alter role ${login} ${repair}`,
      says,
    ]),
    [queueLogin, `alter role ${queueLogin} createrole`, `alter role ${queueLogin} nocreaterole`, /has CREATEROLE/],
    [queueLogin, `alter role ${queueLogin} createdb`, `alter role ${queueLogin} nocreatedb`, /has CREATEDB/],
    [queueLogin, `alter role ${queueLogin} replication`, `alter role ${queueLogin} noreplication`, /has REPLICATION/],
    [
      tenantLogin,
      `grant ${owner} to ${tenantLogin}`,
      `revoke ${owner} from ${tenantLogin}`,
      /is a member of another role/,
    ],
    [
      platformLogin,
      `create table public.owned (); alter table public.owned owner to ${platformLogin}`,
      "drop table public.owned",
      /owns something/,
    ],
    [
      platformLogin,
      `grant create on database ${platformDatabase} to ${platformLogin}`,
      `revoke create on database ${platformDatabase} from ${platformLogin}`,
      /may create schemas/,
    ],
    [
      tenantLogin,
      `grant temp on database ${sharedDatabase} to ${tenantLogin}`,
      `revoke temp on database ${sharedDatabase} from ${tenantLogin}`,
      /may make temporary tables/,
    ],
  ];
  for (const [login, plant, repair, says] of faults) {
    await t.step({
      name: plant.replaceAll(platformDatabase, "platform").replaceAll(sharedDatabase, "shared").replace(
        dedicatedLogin,
        "a dedicated login",
      ),
      ...loose,
      fn: async () => {
        try {
          await admin.unsafe(plant);
          await assert.rejects(start(), (error: Error) => {
            assert.ok(error.message.includes(`login "${login}" `), error.message);
            assert.match(error.message, says);
            return true;
          });
        } finally {
          await admin.unsafe(repair);
        }
      },
    });
  }
  await start();
});

// A placement of a test's own, rolled out by a login that may as little as a customer's: it owns the database and may make
// roles. Faults are planted as superuser.
import { openDirect, type Sql, withDirect } from "../../src/db/direct.ts";
import { newId } from "../../src/db/ids.ts";
import { holesIn } from "../../src/prove/rights.ts";
import { byoRoles, type PlacementRoles } from "../../src/db/names.ts";
import { closeDatabase, deployPlacement, ensurePlacementRoles, type RolloutReport } from "../../src/db/rollout.ts";
import { keyBlocks, type Signer } from "../../src/tenancy/context.ts";
import { freshDatabase, type TestServer, testServer } from "../support/postgres.ts";

/** What the proof says of a placement: its sentences, none when it passes. */
export type Findings = string[];

/** A placement database with nobody in it. */
export interface Scratch {
  roles: PlacementRoles;
  signer: Signer;
  database: string;
  server: TestServer;
  /** As superuser. */
  admin: Sql;
  /** As the login that rolls out. */
  migrator: Sql;
  migratorName: string;
  deploy(): Promise<RolloutReport>;
  /** The same over a connection of its own, as another process would. */
  deployElsewhere(): Promise<RolloutReport>;
  /** Runs 90_proof.sql alone on a connection. */
  prove(sql: Sql): Promise<Findings>;
  drop(): Promise<void>;
}

/** Makes the database and its roles and rolls the schema out, unless `deployed` is false. */
export async function makeScratch(prefix: string, options: { deployed?: boolean } = {}): Promise<Scratch> {
  const server = await testServer();
  const made = await freshDatabase(prefix, { server });
  const { database } = made;
  const migratorName = `${database}_migrator`;
  const at = (user: string, password: string) => ({ host: server.host, port: server.port, database, user, password });
  const admin = await openDirect(at(server.user, server.password));
  await admin.unsafe(`create role ${migratorName} login createrole password 'scratch';
    alter database ${database} owner to ${migratorName}`);
  const migrator = await openDirect(at(migratorName, "scratch"));
  const roles = byoRoles(newId());
  const signer = { keyId: 1, key: crypto.getRandomValues(new Uint8Array(32)) };
  const deployBy = (sql: Sql) => deployPlacement(sql, roles, keyBlocks(signer));
  await ensurePlacementRoles(migrator, roles, { password: "scratch", salt: new Uint8Array(16) });
  await closeDatabase(migrator, [roles.tenantLogin]);
  if (options.deployed ?? true) await deployBy(migrator);
  return {
    roles,
    signer,
    database,
    server,
    admin,
    migrator,
    migratorName,
    deploy: () => deployBy(migrator),
    deployElsewhere: () => withDirect(at(migratorName, "scratch"), deployBy),
    prove: (sql) => holesIn(sql, roles),
    async drop() {
      await migrator.end();
      await admin.end();
      await made.drop();
      await dropRoles(server, [roles.tenantLogin, roles.owner, roles.keeper, migratorName]);
    },
  };
}

async function dropRoles(server: TestServer, names: string[]): Promise<void> {
  const sql = await openDirect({ ...server, database: "postgres" });
  for (const name of names) await sql.unsafe(`drop role if exists "${name}"`);
  await sql.end();
}

// The oldest PostgreSQL that is supported, as Debian packs it: its programs only. Each test file starts servers of its own
// with them; the service that the package may have set up is never used.
import { useProgramsOf } from "../support/postgres.ts";

const FOLDER = "/usr/lib/postgresql/15/bin";

/**
 * Has this file's test servers be PostgreSQL 15. Where it is not installed, says so: as a failed test in continuous
 * integration, elsewhere as an ignored one with the reason for its name.
 */
export function onPostgres15(folder = FOLDER): boolean {
  if (isThere(`${folder}/postgres`) && isThere(`${folder}/initdb`)) {
    useProgramsOf(folder);
    return true;
  }
  const name = 'Install "postgresql-15" to run the tests on PostgreSQL 15';
  const missing = () => Promise.reject(new Error(`${name}: there is none in ${folder}`));
  Deno.test({ name, ignore: !Deno.env.get("CI"), fn: missing });
  return false;
}

function isThere(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

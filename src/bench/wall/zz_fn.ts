import { openDirect } from "../../db/direct.ts";
import { signContext } from "../../tenancy/context.ts";
import { Servers } from "../../tenancy/servers.ts";
const g = JSON.parse(Deno.readTextFileSync("/tmp/rig.json"));
const servers = new Servers(g.settings, Uint8Array.from(g.masterKey));
const sql = await openDirect(servers.admin(g.settings.sharedDatabase));
const body = (await sql`select prosrc from pg_proc where oid = 'app.tenant_id'::regproc`)[0].prosrc as string;
const mk = async (name: string, src: string, opts: string) => {
  await sql.unsafe(`create or replace function app.${name}() returns uuid language plpgsql stable security definer parallel restricted ${opts} as $$${src}$$`);
  await sql.unsafe(`alter function app.${name}() owner to bulkhead_keeper; grant execute on function app.${name}() to bulkhead_tenant`);
};


const set = "set search_path = pg_catalog, pg_temp";
const fast = (gate: string) => `
declare
  claim constant text := current_setting('app.tenant_id', true);
  proof constant text := current_setting('app.proof', true);
  key_id text;
  inner_key bytea;
  outer_key bytea;
  given text;
  gate boolean;
  now_s bigint;
begin
  if claim is null or claim = '' then
    return null;
  end if;
  key_id := split_part(proof, '.', 2);
  if proof is null or length(proof) > 200 or left(proof, 3) <> 'v1.' or length(claim) <> 36
    or length(key_id) not between 1 and 9 or translate(key_id, '0123456789', '') <> '' then
    raise insufficient_privilege using message = 'tenant context refused';
  end if;
  select inner_block, outer_block into inner_key, outer_key from app.keys where id = key_id::int and retired_at is null;
  if not found then
    raise insufficient_privilege using message = 'tenant context refused';
  end if;
  if sha256(outer_key || sha256(outer_key || sha256(inner_key || convert_to(left(proof, -64) || claim, 'UTF8'))))
    <> sha256(outer_key || decode(right(proof, 64), 'hex')) then
    raise insufficient_privilege using message = 'tenant context refused';
  end if;
  now_s := extract(epoch from clock_timestamp())::bigint;
  if split_part(proof, '.', 5)::bigint not between now_s and now_s + 60
    or (split_part(proof, '.', 4) <> '0' and split_part(proof, '.', 4)::bigint <> pg_backend_pid()) then
    raise insufficient_privilege using message = 'tenant context refused';
  end if;
  ${gate}
  return claim::uuid;
end`;
const gate1 = `select open into gate from app.gates where tenant_id = claim::uuid;
  if gate is not true then raise exception using errcode = 'BH001', message = 'tenant is closed'; end if;`;
await mk("f_full", fast(gate1), set);
await mk("f_nogate", fast(""), set);
await mk("f_nosha", fast(gate1).replace(/if sha256[\s\S]*?end if;/, ""), set);
const joined = fast("if gate is not true then raise exception using errcode = 'BH001', message = 'tenant is closed'; end if;")
  .replace("select inner_block, outer_block into inner_key, outer_key from app.keys where id = key_id::int and retired_at is null;",
  "select k.inner_block, k.outer_block, g.open into inner_key, outer_key, gate from app.keys k left join app.gates g on g.tenant_id = claim::uuid where k.id = key_id::int and k.retired_at is null;");
await mk("f_join", joined, set);
await mk("f_sub", joined.replace(/select k.inner_block[\s\S]*?retired_at is null;/, "select inner_block, outer_block, (select open from app.gates where tenant_id = claim::uuid) into inner_key, outer_key, gate from app.keys where id = key_id::int and retired_at is null;"), set);
for (let rep = 0; rep < 3; rep++) {
  for (const f of ["tenant_id", "f_full", "f_nogate", "f_nosha", "f_join", "f_sub", "t_empty"]) {
    await sql.begin(async (tx) => {
      const [{ pid }] = await tx`select pg_backend_pid() as pid`;
      const proof = signContext(servers.signer(g.placementId, 1), g.tenants[0], null, pid);
      await tx`select set_config('app.tenant_id', ${g.tenants[0]}, true), set_config('app.proof', ${proof}, true)`;
      await tx.unsafe("set local role bulkhead_tenant");
      const n = 20000;
      const [r] = await tx.unsafe(`explain (analyze, timing off, summary on, format json) select count(app.${f}()) from generate_series(1, ${n})`);
      const one: number[] = [];
      for (let i = 0; i < 200; i++) {
        const [r] = await tx.unsafe(`explain (analyze, timing off, summary on, format json) select app.${f}()`);
        one.push(r["QUERY PLAN"][0]["Execution Time"] * 1000);
      }
      one.sort((a, b) => a - b);
      console.log(f.padEnd(12), (r["QUERY PLAN"][0]["Execution Time"] * 1000 / n).toFixed(2), "µs/call in a loop;", one[100].toFixed(1), "µs alone in a statement");
    });
  }
}
await sql.end();

// Attacks on the context: claiming the victim's tenant inside a statement, in every clause, and with every kind of proof that
// does not stand.
import { type Attack, everything, type Ground, id, touch } from "./attack.ts";
import { entering } from "../session.ts";

const set = ({ b }: Ground) => `set_config('app.tenant_id', '${b}', true)`;

/** Where in a statement a setting can be changed while it runs. */
const CLAUSES: Record<string, (g: Ground) => string | null> = {
  "WHERE": (g) => everything(g, `where ${set(g)} is not null`),
  "a one-time filter": (g) => everything(g, `where (select ${set(g)}) is not null`),
  "the select list": (g) => `select ${set(g)}, x.*::text, x.tenant_id = ${id(g.b)} as leaked from ${g.name} x`,
  "FROM": (g) => `select x.*::text, x.tenant_id = ${id(g.b)} as leaked from (select ${set(g)} offset 0) s, ${g.name} x`,
  "JOIN": (g) => everything(g, `join (select ${set(g)} as s) s on s.s is not null`),
  "LEFT JOIN": (g) =>
    `select x.*::text, x.tenant_id = ${id(g.b)} as leaked from (values (1)) v(i) left join ${g.name} x on ${
      set(g)
    } is not null`,
  "LATERAL": (g) => everything(g, `, lateral (select ${set(g)} as s, x.tenant_id) y where y.s is not null`),
  "ORDER BY": (g) => everything(g, `order by ${set(g)}`),
  "GROUP BY": (g) =>
    `select count(*) filter (where x.tenant_id = ${id(g.b)}) as leaked from ${g.name} x group by ${set(g)}`,
  "HAVING": (g) =>
    `select count(*) filter (where x.tenant_id = ${id(g.b)}) as leaked from ${g.name} x having ${set(g)} is not null`,
  "LIMIT": (g) => everything(g, `limit (select length(${set(g)}))`),
  "OFFSET": (g) => everything(g, `offset (select length(${set(g)}) - 36)`),
  "a window": (g) =>
    `select x.*::text, x.tenant_id = ${id(g.b)} as leaked, row_number() over (order by ${set(g)}) from ${g.name} x`,
  "a materialized CTE": (g) =>
    `with s as materialized (select ${set(g)} as s) ${everything(g, ", s where s.s is not null")}`,
  "a scalar subquery": (g) => everything(g, `where x.tenant_id::text = (select ${set(g)})`),
  "a correlated subquery": (g) => everything(g, `where exists (select ${set(g)} where x.tenant_id is not null)`),
  "UNION": (g) => `select ${set(g)} as seen, false as leaked union all ${everything(g)}`,
  "RETURNING": (g) => {
    const change = touch(g.table);
    return change && `update ${g.name} x set ${change} returning ${set(g)}, x.tenant_id = ${id(g.b)} as leaked`;
  },
  "UPDATE": (g) => {
    const change = touch(g.table);
    return change &&
      `update ${g.name} x set ${change} where ${set(g)} is not null returning x.tenant_id = ${id(g.b)} as leaked`;
  },
  "DELETE": (g) =>
    g.table.may.delete
      ? `delete from ${g.name} x where ${set(g)} is not null returning x.tenant_id = ${id(g.b)} as leaked`
      : null,
};

/** Contexts that are claimed at the start of the transaction, by what is wrong with them: see claims_of() in attack_run.ts. */
export const WRONG_CLAIMS = [
  "no tenant",
  "no proof",
  "another tenant's proof",
  "a changed proof",
  "a made-up proof",
  "an expired proof",
  "a proof that is good for too long",
  "another placement's key",
  "a key that is not there",
  "a retired key",
  "another backend",
  "a proof that another backend remembers",
  "a remembered proof that has expired",
  "a proof of another user's",
  "a proof of another version",
  "a claim that is no uuid",
  "a claim in capitals",
  "a claim with spaces",
  "a proof that is no proof",
  "a proof with a line break",
  "a closed gate",
];

export const FORGING: Attack[] = [
  ...Object.entries(CLAUSES).map(([where, sql]): Attack => ({
    name: `set_config in ${where}`,
    kind: ["UPDATE", "DELETE", "RETURNING"].includes(where) ? "write" : "read",
    sql,
    modes: true,
  })),
  ...WRONG_CLAIMS.map((wrong): Attack => ({
    name: `a context with ${wrong}`,
    kind: "read",
    claim: (g) => g.claims[wrong],
    sql: (g) => `select x.*::text as seen, true as leaked from ${g.name} x`,
  })),
  ...WRONG_CLAIMS.map((wrong): Attack => ({
    name: `a write under a context with ${wrong}`,
    kind: "write",
    claim: (g) => g.claims[wrong],
    sql: (g) => {
      const change = touch(g.table);
      return change && `update ${g.name} x set ${change} returning true as leaked`;
    },
  })),
  {
    name: "SET LOCAL of the victim's id",
    kind: "read",
    sql: (g) => `set local app.tenant_id = '${g.b}'; ${everything(g)}`,
  },
  {
    name: "SET of the victim's id and a made-up proof",
    kind: "read",
    sql: (g) =>
      `set app.tenant_id = '${g.b}'; set app.proof = '${g.claims["a made-up proof"].proof}'; ${everything(g)}`,
  },
  {
    name: "the victim's id after a statement of one's own",
    kind: "read",
    sql: (g) => `select count(*) from ${g.name}; ${entering(g.claims["another tenant's proof"])}; ${everything(g)}`,
  },
  {
    name: "a context inside a savepoint",
    kind: "read",
    sql: (g) => `savepoint s; ${entering(g.claims["no proof"])}; rollback to s; ${everything(g)}`,
  },
  {
    name: "a context changed in an exception block",
    kind: "read",
    sql: (g) =>
      `do $$ declare r record; begin perform set_config('app.tenant_id', '${g.b}', true);
        for r in select x.*::text as t from ${g.name} x where tenant_id = ${
        id(g.b)
      } loop raise notice '%', r.t; end loop;
        exception when others then
        for r in select x.*::text as t from ${g.name} x loop raise notice '%', r.t; end loop; end $$`,
  },
  {
    name: "a context changed between two fetches",
    kind: "read",
    sql: (g) => `declare c cursor for ${everything(g)}; fetch 1 from c; select ${set(g)}; fetch all from c`,
  },
  {
    name: "a context changed between two executions",
    kind: "read",
    sql: (g) =>
      `set local plan_cache_mode = force_generic_plan; prepare bh_p as ${everything(g)}; execute bh_p;
      select ${set(g)}; execute bh_p`,
  },
  {
    name: "the transaction ended and another begun",
    kind: "read",
    sql: (g) => `commit; begin; ${everything(g)}`,
  },
];

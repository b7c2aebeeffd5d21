// The leaky-function technique: an expression that fails, or that writes down what it sees, in every clause that a statement
// has. If the wall let the expression see a foreign row first, even one that is thrown away later, it would show.
import { type Attack, type Ground, id, smuggle, smuggled, touch, trap } from "./attack.ts";

type Spy = (alias?: string) => string;

/** Where an expression can stand. */
const CLAUSES: Record<string, (g: Ground, spy: Spy) => string | null> = {
  "WHERE": ({ name }, spy) => `select count(*) from ${name} x where ${spy()}`,
  "WHERE, beside a condition on the victim": ({ name, b }, spy) =>
    `select count(*) from ${name} x where x.tenant_id = ${id(b)} and ${spy()}`,
  "WHERE, after OR": ({ name }, spy) => `select count(*) from ${name} x where x.tenant_id is null or ${spy()}`,
  "FILTER": ({ name }, spy) => `select count(*) filter (where ${spy()}) from ${name} x`,
  "ORDER BY": ({ name }, spy) => `select 1 from ${name} x order by (${spy()}) limit 1`,
  "GROUP BY": ({ name }, spy) => `select count(*) from ${name} x group by (${spy()})`,
  "HAVING": ({ name }, spy) => `select 1 from ${name} x group by x.tenant_id having bool_and(${spy()})`,
  "DISTINCT ON": ({ name }, spy) => `select distinct on (${spy()}) 1 from ${name} x`,
  "JOIN": ({ name }, spy) => `select count(*) from ${name} x join ${name} y on ${spy()} and ${spy("y")}`,
  "a join with what all share": ({ name }, spy) =>
    `select count(*) from pg_catalog.pg_namespace n join ${name} x on ${spy()} and n.nspname = 'tenant'`,
  "LEFT JOIN LATERAL": ({ name }, spy) =>
    `select count(*) from ${name} x left join lateral (select (${spy()}) as s) z on z.s`,
  "a subquery": ({ name }, spy) => `select exists (select from ${name} x where ${spy()})`,
  "NOT IN": ({ name, a }, spy) => `select 1 where ${id(a)} not in (select x.tenant_id from ${name} x where ${spy()})`,
  "a materialized CTE": ({ name }, spy) =>
    `with c as materialized (select * from ${name} x where ${spy()}) select count(*) from c`,
  "an inlined CTE": ({ name }, spy) =>
    `with c as not materialized (select * from ${name}) select count(*) from c x where ${spy()}`,
  "a window": ({ name }, spy) =>
    `select row_number() over (partition by (${spy()}) order by (${spy()})) from ${name} x`,
  "UNION": ({ name }, spy) => `select (${spy()}) from ${name} x union select (${spy()}) from ${name} x`,
  "TABLESAMPLE": ({ name }, spy) => `select count(*) from ${name} x tablesample system (100) where ${spy()}`,
  "UPDATE": ({ table, name }, spy) => {
    const change = touch(table);
    return change && `update ${name} x set ${change} where ${spy()} returning (${spy()})`;
  },
  "UPDATE FROM": ({ table, name }, spy) => {
    const change = touch(table);
    return change && `update ${name} x set ${change} from ${name} y where ${spy()} and ${spy("y")}`;
  },
  "DELETE": ({ table, name }, spy) => table.may.delete ? `delete from ${name} x where ${spy()} and false` : null,
  "FOR UPDATE": ({ table, name }, spy) => touch(table) && `select 1 from ${name} x where ${spy()} for update`,
  "query_to_xml": ({ name }, spy) =>
    `select query_to_xml($q$select 1 from ${name} x where ${spy()}$q$, true, false, '')`,
};

export const LEAKY: Attack[] = Object.entries(CLAUSES).flatMap(([where, sql]): Attack[] => [
  {
    name: `an expression that fails, in ${where}`,
    kind: "read",
    modes: true,
    sql: (g) => sql(g, (alias) => trap(g, alias)),
  },
  {
    name: `an expression that writes down, in ${where}`,
    kind: "read",
    modes: true,
    sql: (g) => {
      const text = sql(g, (alias) => smuggle(g, alias));
      return text && `${text}; ${smuggled}`;
    },
  },
]);

/** Ways to plan the same statement; the text replaces `?`. */
export const MODES: Record<string, (text: string) => string> = {
  "as planned": (text) => text,
  "generic plan": (text) => prepared("force_generic_plan", text),
  "custom plan": (text) => prepared("force_custom_plan", text),
  "no sequential scan": (text) => `set local enable_seqscan = off; ${text}`,
  "no index": (text) =>
    `set local enable_indexscan = off; set local enable_indexonlyscan = off; set local enable_bitmapscan = off; ${text}`,
  "nested loops only": (text) =>
    `set local enable_hashjoin = off; set local enable_mergejoin = off; set local enable_material = off; ${text}`,
  "parallel": (text) =>
    `set local parallel_setup_cost = 0; set local parallel_tuple_cost = 0; set local min_parallel_table_scan_size = 0;
      set local max_parallel_workers_per_gather = 2; ${text}`,
};

/** The first statement prepared and executed; what follows it stays. */
function prepared(mode: string, text: string): string {
  const [first, ...rest] = text.split("; ");
  return `set local plan_cache_mode = ${mode}; prepare bh_mode as ${first}; execute bh_mode${
    rest.map((one) => `; ${one}`).join("")
  }`;
}

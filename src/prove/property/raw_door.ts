// The hole that no program has: text as it is through a real door. Only the prover uses it, to stand for the injection that
// a careless module would allow.
import { Fragment, type Query, type Row, type Rows, type Tx } from "../../db/sql.ts";

/** Makes a statement of text; it still goes alone, by the extended protocol and with the context before it. */
export function raw(tx: Tx, text: string, values: (string | null)[] = []): Query<Rows<Row>> {
  const empty = Object.assign(["", ""], { raw: ["", ""] }) as unknown as TemplateStringsArray;
  const parts = text.split("?");
  return values.length > 0 ? tx(empty, new Fragment(parts, values)) : tx(empty, new Fragment([text], []));
}

// SQL written as SQL: tagged templates whose values always travel as parameters. `sql` makes a fragment that can be put
// into a statement, `tx` (from a door) makes a statement. Nothing here can turn a string from outside into SQL text.
import { AppError } from "../errors.ts";
import { encode, type Json } from "./encode.ts";

export { encode, Json, json } from "./encode.ts";

type Scalar = string | number | bigint | boolean | Date | null;

/** What may stand in `${}`: a value that becomes a parameter, or a fragment that becomes part of the text. */
export type Value = Scalar | Uint8Array | readonly Scalar[] | Json | Fragment;

/** A row as the parsers of `parsers.ts` give it; name the shape with `tx<Building>`. */
export type Row = Record<string, unknown>;

/** The rows of a statement, and how many it affected. */
export type Rows<T> = T[] & { readonly count: number };

/** A piece of SQL with its values, to be used inside another piece or a statement. */
export class Fragment {
  constructor(readonly strings: readonly string[], readonly values: readonly Value[]) {}
}

/** Makes a fragment: ``const open = sql`paid_at is null`; tx`select … where ${open}` ``. */
export function sql(strings: TemplateStringsArray, ...values: Value[]): Fragment {
  return new Fragment(templateOnly(strings), values);
}

/** Puts fragments in a row with a separator, as in ``join(conditions, sql` and `)``; no parts give an empty fragment. */
export function join(parts: readonly Fragment[], separator: Fragment): Fragment {
  const values = parts.flatMap((part, i) => i === 0 ? [part] : [separator, part]);
  return new Fragment(new Array(values.length + 1).fill(""), values);
}

/** A statement ready to send: text with `$1`… and its values in text format. */
export interface Statement {
  text: string;
  values: (string | null)[];
}

/** Runs a statement that was awaited; a transaction scope of the pool is one. */
export interface Runner {
  start(statement: Statement): Promise<Rows<never>>;
}

/** A statement made in a scope, sent at most once however often it is awaited. */
export class Source {
  #answer: Promise<Rows<never>> | null = null;

  constructor(readonly runner: Runner, readonly statement: Statement) {}

  get started(): boolean {
    return this.#answer !== null;
  }

  start(): Promise<Rows<never>> {
    this.#answer ??= this.runner.start(this.statement);
    return this.#answer;
  }
}

/**
 * A statement that has not been sent yet: it starts when it is awaited. A door whose function returns one unstarted
 * sends it in one round trip.
 */
export class Query<R> implements PromiseLike<R> {
  readonly #shape: (rows: Rows<never>) => R;

  constructor(readonly source: Source, shape: (rows: Rows<never>) => R) {
    this.#shape = shape;
  }

  /** Turns the rows of the answer into the query's result; used by the pool when it sends the statement by itself. */
  shape(rows: Rows<never>): R {
    return this.#shape(rows);
  }

  /**
   * The same statement with its answer reshaped; unlike `then`, this does not start it. Where it is the only one it is
   * committed before `shape` sees the answer, so what `shape` throws undoes nothing: a check that must undo awaits it.
   */
  map<S>(shape: (answer: R) => S): Query<S> {
    return new Query(this.source, (rows) => shape(this.#shape(rows)));
  }

  then<A = R, B = never>(
    fulfilled?: ((value: R) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.source.start().then(this.#shape).then(fulfilled, rejected);
  }

  catch<B = never>(rejected?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<R | B> {
    return this.then(null, rejected);
  }

  finally(settled?: (() => void) | null): Promise<R> {
    return this.source.start().then(this.#shape).finally(settled);
  }
}

/** What a door hands to its function: makes statements of this transaction. */
export interface Tx {
  <T = Row>(strings: TemplateStringsArray, ...values: Value[]): Query<Rows<T>>;
}

/** The most parameters that one statement may have (a 16-bit count in the protocol, less the driver's margin). */
const MAX_PARAMETERS = 65_533;

/** Texts of templates without fragments; these are most, and a template is the same object at each call. */
const plainTexts = new WeakMap<readonly string[], string>();

/**
 * Flattens nested fragments and encodes the values.
 * @throws AppError `invalid_value` for what `encode()` refuses and for more than 65,533 values.
 */
export function toStatement(strings: TemplateStringsArray, values: readonly Value[]): Statement {
  templateOnly(strings);
  const statement: Statement = { text: "", values: [] };
  if (values.some((value) => value instanceof Fragment)) append(statement, strings, values);
  else {
    statement.values = values.map(encode);
    statement.text = plainTexts.get(strings) ?? numbered(strings);
    plainTexts.set(strings, statement.text);
  }
  if (statement.values.length <= MAX_PARAMETERS) return statement;
  throw new AppError("invalid_value", `A statement has ${statement.values.length} values, at most 65533 are possible`);
}

function numbered(strings: readonly string[]): string {
  return strings.reduce((text, part, i) => i === 0 ? part : `${text}$${i}${part}`, "");
}

function append(statement: Statement, strings: readonly string[], values: readonly Value[]): void {
  statement.text += strings[0];
  values.forEach((value, i) => {
    if (value instanceof Fragment) append(statement, value.strings, value.values);
    else statement.text += "$" + statement.values.push(encode(value));
    statement.text += strings[i + 1];
  });
}

function templateOnly(strings: TemplateStringsArray): TemplateStringsArray {
  if (Array.isArray(strings) && Array.isArray(strings.raw)) return strings;
  throw new AppError("internal", "SQL is written as a tagged template, never passed as a string");
}

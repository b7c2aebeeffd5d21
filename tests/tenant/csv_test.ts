// The CSV splitter: what RFC 4180 says, and what broken files may cost: their broken lines, no more.
import assert from "node:assert/strict";
import { type CsvLine, CsvSplitter } from "../../src/tenant/readings/csv.ts";

function split(chunks: string[], options: { delimiter?: string; maxLength?: number } = {}): CsvLine[] {
  const splitter = new CsvSplitter({ delimiter: ",", ...options });
  return [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
}

function cells(text: string): string[][] {
  return split([text]).map((line) => line.cells);
}

Deno.test("CsvSplitter reads CRLF, LF and a last line without a break alike", () => {
  const expected = [["a", "b"], ["1", "2"], ["3", "4"]];
  assert.deepEqual(cells("a,b\r\n1,2\r\n3,4"), expected);
  assert.deepEqual(cells("a,b\n1,2\n3,4\n"), expected);
});

Deno.test("CsvSplitter counts blank lines and leaves them out", () => {
  assert.deepEqual(split(["a\n\n\r\nb\n"]).map((line) => [line.line, line.cells]), [[1, ["a"]], [4, ["b"]]]);
});

Deno.test("CsvSplitter reads quoted cells: delimiters, doubled quotes, line breaks, empty ones", () => {
  assert.deepEqual(cells('"a,1","b ""x""","c\r\nd",""\r\n"e"'), [["a,1", 'b "x"', "c\r\nd", ""], ["e"]]);
  assert.deepEqual(cells('5" pipe,2\n'), [['5" pipe', "2"]]);
});

Deno.test("CsvSplitter numbers a line by where it begins, also after a cell of several lines", () => {
  assert.deepEqual(split(['h\n"a\nb\nc",1\nd\n']).map((line) => line.line), [1, 2, 5]);
});

Deno.test("CsvSplitter gives the same lines however the text is cut into chunks", () => {
  const text = 'a,b\r\n"q,""1""",2\r\n"multi\r\nline",3\r\nbad "x,4\r\n"bad"x,5\r\n\r\nlast,6';
  const whole = split([text]);
  for (let size = 1; size <= text.length; size++) {
    const chunks = Array.from(
      { length: Math.ceil(text.length / size) },
      (_, i) => text.slice(i * size, (i + 1) * size),
    );
    assert.deepEqual(split(chunks), whole, `chunks of ${size}`);
  }
});

Deno.test("CsvSplitter loses only the line with a stray quote", () => {
  const rest = Array.from({ length: 20_000 }, (_, i) => `${i},x\n`).join("");
  const lines = split(['ok,1\n"stray,2\n' + rest]);
  assert.deepEqual(lines.slice(0, 3).map((line) => [line.line, line.fault]), [
    [1, undefined],
    [2, "A quoted cell is not closed"],
    [3, undefined],
  ]);
  assert.equal(lines.length, 20_002);
});

Deno.test("CsvSplitter loses only the line with text after a closing quote", () => {
  const lines = split(['"a"b,1\n2,3\n']);
  assert.deepEqual(lines.map((line) => line.fault ?? line.cells), ["There is text after a closing quote", ["2", "3"]]);
});

Deno.test("CsvSplitter reports a line that is too long once and goes on after it", () => {
  const chunks = ["a,b\n", "x".repeat(50), "y".repeat(50), '"z\n', "c,d\n", "e".repeat(101)];
  const lines = split(chunks, { maxLength: 80 });
  assert.deepEqual(lines.map((line) => [line.line, line.fault ?? line.cells]), [
    [1, ["a", "b"]],
    [2, "The line is longer than 80 characters"],
    [3, ["c", "d"]],
    [4, "The line is longer than 80 characters"],
  ]);
});

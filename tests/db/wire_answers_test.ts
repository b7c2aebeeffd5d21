// What comes back from the server when something was sent ahead: nothing of it reaches the driver, however it is cut into
// pieces and however it ends.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Answers } from "../../src/db/wire_answers.ts";
import { ContextStatement, errorResponse } from "../../src/db/wire_messages.ts";
import { message } from "./setup.ts";

const CONTEXT = new ContextStatement("context", "select 1", 0);
const ASIDE = new ContextStatement("aside", "select 2", 0);

const ready = message("Z", "I");
const statement = Buffer.concat([message("1"), message("2"), message("D", "x"), message("C", "SELECT 1\0")]);
const driver = Buffer.concat([message("1"), message("2"), message("D", "rows"), message("C", "SELECT 1\0"), ready]);

function listening() {
  const heard = { forwarded: [] as Buffer[], ready: 0, failed: [] as string[], refused: [] as string[] };
  const answers = new Answers({
    forward: (bytes) => void heard.forwarded.push(Buffer.from(bytes)),
    ready: () => void heard.ready++,
    failed: ({ sqlstate }) => void heard.failed.push(sqlstate),
    lasting: () => {},
    refuse: (sentence) => void heard.refused.push(sentence),
    expecting: () => "all",
  }, true);
  return { answers, heard, forwarded: () => Buffer.concat(heard.forwarded).toString("hex") };
}

for (const size of [1, 3, 7, 10_000]) {
  Deno.test(`Answers keep what was sent ahead from the driver, ${size} bytes at a time`, () => {
    for (const ahead of [Buffer.concat([statement, ready]), Buffer.concat([errorResponse("42883", "none"), ready])]) {
      const { answers, heard, forwarded } = listening();
      answers.swallow([CONTEXT], ASIDE);
      const all = Buffer.concat([ahead, statement, driver]);
      for (let at = 0; at < all.length; at += size) answers.feed(Buffer.from(all.subarray(at, at + size)));
      assert.equal(forwarded(), driver.toString("hex"));
      assert.deepEqual([heard.ready, heard.failed, heard.refused], [1, [], []]);
      assert.equal(answers.known.has("aside"), ahead[0] === "1".charCodeAt(0));
      assert.ok(answers.known.has("context"));
    }
  });
}

Deno.test("Answers pass on an error of the context or of the statement that follows what was sent ahead", () => {
  for (const before of [Buffer.alloc(0), statement]) {
    const { answers, heard, forwarded } = listening();
    const failed = Buffer.concat([errorResponse("42501", "refused"), ready]);
    answers.swallow([CONTEXT], ASIDE);
    answers.feed(Buffer.concat([statement, ready, before, failed]));
    assert.equal(forwarded(), failed.toString("hex"));
    assert.deepEqual([heard.ready, heard.failed], [1, ["42501"]]);
  }
});

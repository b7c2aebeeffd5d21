// What cannot be done is said in one sentence, before anything is started, and leaves nothing behind.
import assert from "node:assert/strict";
import { run } from "./program.ts";

const loose = { sanitizeOps: false, sanitizeResources: false };
const NOBODY = "postgres://nobody:hush-hush@127.0.0.1:1/nothing";

let temporary: string;
Deno.test.beforeAll(async () => {
  temporary = await Deno.makeTempDir({ prefix: "bulkhead-test-refused-" });
});
Deno.test.afterAll(() => Deno.remove(temporary, { recursive: true }));

/** Runs it with a folder for temporary files of its own, and expects one sentence and an empty folder. */
async function refused(args: string[], env: Record<string, string> = {}): Promise<string> {
  const { code, out, said } = await run(args, { ...env, TMPDIR: temporary });
  assert.deepEqual([code, out], [1, ""], said);
  assert.deepEqual([...Deno.readDirSync(temporary)], []);
  return said.trimEnd();
}

Deno.test("prove refuses what it cannot do before it starts a server", loose, async () => {
  for (
    const [line, sentence] of [
      ["--seed abc", 'Give "--seed" a whole number, not "abc"'],
      ["--operations -5", 'Give "--operations" a whole number, not "-5"'],
      [`--url ${NOBODY} --url ${NOBODY}`, 'Give "--url" once: each database has a proof of its own'],
      [`--url ${NOBODY} --seed 1`, 'Leave out "--seed": it does nothing with "--url"'],
      [`--url ${NOBODY} --postgres /nope`, 'Leave out "--postgres": it does nothing with "--url"'],
      [`--mutants --url ${NOBODY}`, 'Leave out "--url": it does nothing with "--mutants"'],
      ["--mutants --html a.html", 'Leave out "--html": it does nothing with "--mutants"'],
      [
        `--url ${NOBODY}?sslmode=prefer`,
        'Give "sslmode" as disable, require, verify-ca or verify-full, not "prefer"',
      ],
    ]
  ) assert.equal(await refused(["prove", ...line.split(" ")]), sentence);
  const page = await refused(["prove", "--html", "/nowhere/at/all.html"]);
  assert.match(page, /^Give "--html" a file that can be written, not "\/nowhere\/at\/all\.html": /);
});

Deno.test("prove removes its folder when its servers cannot be started", loose, async () => {
  const said = await refused(["prove", "--postgres", "/nope"]);
  assert.match(
    said,
    /^… database servers\nName the folder of PostgreSQL's programs: "\/nope\/postgres" cannot be run$/,
  );
});

Deno.test("a command says where it cannot connect and why, and never the password", loose, async () => {
  const said = await refused(["prove", "--url", NOBODY]);
  assert.match(said, /^Cannot connect to database "nothing" on 127\.0\.0\.1:1 as "nobody": .*ECONNREFUSED/);
  assert.ok(!/hush|\n/.test(said), said);
});

Deno.test("a wrong environment variable is named in a sentence, and nothing else is said", loose, async () => {
  const said = await refused(["dev", "--home", temporary], { PORT: "abc" });
  assert.match(said, /^Set these environment variables correctly: PORT \([^\n]+\)$/);
});

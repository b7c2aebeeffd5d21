// Word of an operator's new password: one mail after a change and after a link, none after the first password.
import assert from "node:assert/strict";
import { addOperator, mailedLink, OPERATOR_PASSWORD } from "../support/operators.ts";
import { loose, NEW_PASSWORD, ok, refused } from "../tenant/auth_people.ts";
import { Staff } from "./operator_people.ts";

let staff: Staff;
Deno.test.beforeAll(async () => {
  staff = await Staff.boot();
});
Deno.test.afterAll(() => staff.end());

/** Mails to an address without those that hold a link, once the queue is empty. */
async function notices(email: string): Promise<string[]> {
  await staff.app.until("the queue", async () => {
    const [{ n }] = await staff.sql`select count(*)::int as n from pgboss.job
      where name = 'operators.passwordChanged' and state in ('created', 'active', 'retry')`;
    return n === 0;
  });
  const { body } = await staff.app.ask("GET", "/dev/mail", { headers: { accept: "application/json" } });
  return body.items.filter(({ to, text }: { to: string; text: string }) => to === email && !text.includes("#token="))
    .map(({ subject, text }: { subject: string; text: string }) => `${subject}\n${text}`);
}

Deno.test("an operator is told of a new password: after a change and a link, not after the first", loose, async () => {
  const { id, email, token } = await addOperator(staff.app, "support");
  assert.deepEqual(await notices(email), []);
  const change = (current_password: string) =>
    staff.post("/v1/operators/change-password", token, { current_password, new_password: NEW_PASSWORD });
  refused(await change("not the password"), "401 invalid_credentials");
  assert.deepEqual(await notices(email), []);
  const { body } = ok(await change(OPERATOR_PASSWORD));
  const [first] = await notices(email);
  assert.match(first, /^Your password as an operator of Bulkhead was changed\n/);
  assert.match(first, /\nWhen: \d{4}-\d\d-\d\d \d\d:\d\d UTC\nNetwork address: 127\.0\.0\.1\n/);
  ok(await staff.post(`/v1/operators/${id}/send-link`, await staff.app.operator()), 204);
  const link = await mailedLink(staff.app, email);
  const set = { token: link, password: OPERATOR_PASSWORD };
  ok(await staff.post("/v1/operators/set-password", undefined, set), 204);
  refused(await staff.post("/v1/operators/set-password", undefined, set), "401 invalid_token");
  const mails = await notices(email);
  assert.equal(mails.length, 2);
  for (const mail of mails) {
    for (const secret of [OPERATOR_PASSWORD, NEW_PASSWORD, body.access_token, link, "Olga"]) {
      assert.ok(!mail.includes(secret));
    }
  }
  const jobs = await staff.sql`select data::text from pgboss.job where name = 'operators.passwordChanged'`;
  assert.equal(jobs.length, 2);
  for (const { data } of jobs) assert.ok(!data.includes(email) && !data.includes("127.0.0.1"));
});

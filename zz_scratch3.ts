import { bootApp } from "./tests/support/app.ts";
const app = await bootApp();
try {
  const t = await app.tenant("acme");
  const rec = await app.services.directory.byId(t.id);
  const ctx = () =>
    app.services.targets.context(rec!, {
      userId: null,
      operation: "test",
      requestId: "",
      readOnly: false,
      deadlineMs: 120000,
    });
  const run = async (f: any) => await app.services.doors.asTenant(await ctx(), f);
  await run(async (tx: any) => {
    await tx`insert into tenant.buildings (name, address, city, country) values ('B', 'x', 'y', 'CA')`;
    await tx`insert into tenant.properties (building_id, label) select b.id, 'F' || i from tenant.buildings b, generate_series(1, 1000) i`;
    await tx`insert into tenant.renters (property_id, first_name, last_name) select id, 'a', 'b' from tenant.properties`;
    await tx`insert into tenant.meters (property_id, serial_number, utility, unit, time_zone, tariff_id) select id, label, 'electricity', 'kWh', 'America/Toronto', '01890a5d-ac96-774b-bcce-b302099a8058' from tenant.properties`;
  });
  let t0 = performance.now();
  await run((tx: any) =>
    tx`insert into tenant.meter_readings (meter_id, ends_at, billing_day, value, zone) select m.id, d + interval '5 hours', (d - interval '1 second')::date, (extract(day from d) + 1) / 10, (array['off_peak','mid_peak','on_peak'])[1 + extract(hour from d)::int % 3] from tenant.meters m, generate_series(timestamp '2011-12-01 01:00', '2012-01-01 00:00', '1 hour') d`
  );
  console.log("insert", performance.now() - t0);
  for (const month of ["2011-12", "2011-12"]) {
    t0 = performance.now();
    const r = await app.ask("POST", "/v1/invoices/run", { token: t.admin, body: { month } });
    const j = await app.job(t.admin, r.body.job_id);
    console.log(performance.now() - t0, JSON.stringify(j));
  }
  await run((tx: any) =>
    tx`update tenant.meter_readings set value = value + 1 where meter_id in (select id from tenant.meters order by serial_key limit 10)`
  );
  t0 = performance.now();
  const r = await app.ask("POST", "/v1/invoices/run", { token: t.admin, body: { month: "2011-12" } });
  console.log(performance.now() - t0, JSON.stringify(await app.job(t.admin, r.body.job_id)));
  t0 = performance.now();
  const rep = await app.ask("POST", "/v1/reports", { token: t.admin, body: { kind: "usage", month: "2011-12" } });
  console.log(JSON.stringify(await app.job(t.admin, rep.body.job_id)), performance.now() - t0);
  const d = await app.ask("GET", `/v1/reports/${rep.body.id}/download`, { token: t.admin });
  console.log(d.status, d.body.length, d.body.split("\r\n").length);
} catch (e) {
  console.log(e, app.lines.slice(-5));
} finally {
  await app.stop();
}

import { bootApp } from "./tests/support/app.ts";
const app = await bootApp();
try {
  const t = await app.tenant("acme");
  const ask = (m: string, p: string, b?: unknown) => app.ask(m, p, { token: t.admin, body: b });
  const b = await ask("POST", "/v1/buildings", {
    name: "Maple House",
    address: "1 Maple St",
    city: "Toronto",
    country: "CA",
  });
  console.log(b.status, b.body);
  const p = await ask("POST", "/v1/properties", { building_id: b.body.id, label: "Flat 1", area_m2: "54.5" });
  console.log(p.status, p.body);
  const r = await ask("POST", "/v1/renters", {
    property_id: p.body.id,
    first_name: "Rita",
    last_name: "Renter",
    email: "Rita@x.test",
  });
  console.log(r.status, r.body);
  const tariffs = await ask("GET", "/v1/tariffs?utility=electricity&valid_on=2011-12-01");
  console.log(tariffs.status, JSON.stringify(tariffs.body));
  const m = await ask("POST", "/v1/meters", {
    property_id: p.body.id,
    serial_number: "EL-1",
    utility: "electricity",
    unit: "kWh",
    time_zone: "America/Toronto",
    tariff_id: tariffs.body.items[0].id,
  });
  console.log(m.status, m.body);
  const mapping = JSON.stringify({
    timestamp: { column: "DateTime", format: "MM/DD/YYYY HH:mm:ss", midnight: "end_of_day" },
    value: { column: "Consumption kWh" },
    zones: { off_peak: "Off-peak", mid_peak: "Mid-peak", on_peak: "On-peak" },
  });
  const file = await Deno.readTextFile("sample/electricity-usage.csv");
  const imp = (raw: BodyInit, q = "") =>
    app.ask("POST", `/v1/meters/${m.body.id}/readings/import?mapping=${encodeURIComponent(mapping)}${q}`, {
      token: t.admin,
      raw,
      headers: { "content-type": "text/csv" },
    });
  for (let i = 0; i < 2; i++) {
    const a = await imp(file);
    console.log(a.status, JSON.stringify(a.body).slice(0, 500));
  }
  for (let i = 0; i < 2; i++) {
    const run = await ask("POST", "/v1/invoices/run", { month: "2011-12" });
    console.log(run.status, run.body, JSON.stringify(await app.job(t.admin, run.body.job_id)));
  }
  const list = await ask("GET", "/v1/invoices?month=2011-12");
  console.log(list.status, JSON.stringify(list.body));
  console.log(JSON.stringify((await ask("GET", `/v1/invoices/${list.body.items[0].id}`)).body, null, 1));
  const rep = await ask("POST", "/v1/reports", { kind: "usage", month: "2011-12" });
  console.log(rep.status, JSON.stringify(rep.body));
  console.log(JSON.stringify(await app.job(t.admin, rep.body.job_id)));
  console.log(JSON.stringify((await ask("GET", `/v1/reports/${rep.body.id}`)).body));
  const d = await ask("GET", `/v1/reports/${rep.body.id}/download`);
  console.log(d.status, [...d.headers], d.body.slice(0, 400));
  const j = await ask("GET", `/v1/reports/${rep.body.id}/download?format=json`);
  console.log(j.status, j.body.rows.length, j.body.totals);
  // speed
  const meter2 = async (s: string) =>
    (await ask("POST", "/v1/meters", {
      property_id: p.body.id,
      serial_number: s,
      utility: "electricity",
      unit: "kWh",
      time_zone: "America/Toronto",
    })).body.id;
  for (const n of [200000, 500000]) {
    const rows = ["DateTime,Consumption kWh,Off-peak,Mid-peak,On-peak"];
    let tt = Date.UTC(1960, 0, 1, 5);
    for (let i = 0; i < n; i++, tt += 3600e3 / (n > 300000 ? 2 : 1)) {
      const x = new Date(tt).toISOString();
      rows.push(`${x.slice(5, 7)}/${x.slice(8, 10)}/${x.slice(0, 4)} ${x.slice(11, 19)},${(i % 500) / 100},1,0,0`);
    }
    const body = rows.join("\r\n");
    const id = await meter2("S" + n);
    for (let k = 0; k < 2; k++) {
      const t0 = performance.now();
      const a = await app.ask(
        "POST",
        `/v1/meters/${id}/readings/import?mapping=${encodeURIComponent(mapping.replace("end_of_day", "start_of_day"))}`,
        { token: t.admin, raw: body, headers: { "content-type": "text/csv" } },
      );
      const ms = performance.now() - t0;
      console.log(
        n,
        k,
        a.status,
        JSON.stringify(a.body).slice(0, 300),
        Math.round(ms),
        "ms",
        Math.round(n / ms * 1000),
        "/s",
        Math.round(Deno.memoryUsage().rss / 1e6),
        "MB rss",
      );
    }
  }
} catch (e) {
  console.log(e);
  console.log(app.lines.slice(-8).join("\n"));
} finally {
  await app.stop();
}

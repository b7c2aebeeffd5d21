// What a month should cost, reckoned from the file by itself: whole numbers only, nothing shared with the platform.

/** The file of the demo. */
export const SAMPLE = new URL("../../sample/electricity-usage.csv", import.meta.url);

/** How the file is to be read. */
export const MAPPING = {
  timestamp: { column: "DateTime", format: "MM/DD/YYYY HH:mm:ss", zone: "America/Toronto", midnight: "end_of_day" },
  value: { column: "Consumption kWh" },
  zones: { off_peak: "Off-peak", mid_peak: "Mid-peak", on_peak: "On-peak" },
};

/** Ontario's prices of that winter, in thousandths of a dollar. */
const PRICES = { off_peak: 62n, mid_peak: 92n, on_peak: 108n };

/** A zone of the tariff. */
export type Zone = keyof typeof PRICES;

/** What a month comes to; exact decimals without needless zeros, the total in cents. */
export interface Bill {
  readings: number;
  quantities: Partial<Record<Zone, string>>;
  subtotal: string;
  total: string;
}

/** The bill of `month` ("2011-12") from the file's lines: a reading belongs to the day that is written. */
export function reckon(csv: string, month: string): Bill {
  const [year, number] = month.split("-");
  const sums: Partial<Record<Zone, bigint>> = {};
  let readings = 0;
  for (const line of csv.trim().split(/\r?\n/).slice(1)) {
    const [written, value, off, mid, on] = line.split(",");
    if (written.slice(0, 2) !== number || written.slice(6, 10) !== year) continue;
    const zone: Zone = off === "1" ? "off_peak" : mid === "1" ? "mid_peak" : "on_peak";
    if (Number(off) + Number(mid) + Number(on) !== 1) throw new Error(`The line names no zone or several: ${line}`);
    sums[zone] = (sums[zone] ?? 0n) + scaled(value, 4);
    readings++;
  }
  const zones = Object.entries(sums) as [Zone, bigint][];
  const subtotal = zones.reduce((sum, [zone, quantity]) => sum + quantity * PRICES[zone], 0n);
  const cents = (subtotal * 2n + 100_000n) / 200_000n; // half-up from 10⁻⁷ to 10⁻²
  return {
    readings,
    quantities: Object.fromEntries(zones.map(([zone, quantity]) => [zone, unscaled(quantity, 4)])),
    subtotal: unscaled(subtotal, 7),
    total: `${cents / 100n}.${String(cents % 100n).padStart(2, "0")}`,
  };
}

function scaled(text: string, digits: number): bigint {
  const [whole, fraction = ""] = text.split(".");
  if (fraction.length > digits) throw new Error(`"${text}" has more than ${digits} decimals`);
  return BigInt(whole + fraction.padEnd(digits, "0"));
}

function unscaled(value: bigint, digits: number): string {
  const text = String(value).padStart(digits + 1, "0");
  return `${text.slice(0, -digits)}.${text.slice(-digits)}`.replace(/\.?0+$/, "");
}

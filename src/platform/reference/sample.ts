// The tariff that belongs to the sample readings: Ontario's time-of-use prices of the winter 2011/12, per kWh.
// Source: Ontario Energy Board, Regulated Price Plan, prices effective 1 November 2011.
import type { ProviderData } from "./model.ts";

/** Fixed ids, so that putting it in again changes nothing. */
export const SAMPLE_PROVIDER: ProviderData = {
  id: "01890a5d-ac96-774b-bcce-b302099a8057",
  name: "Ontario sample utility",
  country: "CA",
  tariffs: [{
    id: "01890a5d-ac96-774b-bcce-b302099a8058",
    name: "Residential time-of-use, winter 2011/12",
    utility: "electricity",
    currency: "CAD",
    unit: "kWh",
    validFrom: "2011-11-01",
    validTo: null,
    zones: { off_peak: "0.062", mid_peak: "0.092", on_peak: "0.108" },
  }],
};

// Reference data that the platform publishes to every placement: providers, their tariffs, and prices by zone.

/** Everything published, each table as a JSON array in text: prices never become floating-point numbers on the way. */
export interface ReferenceData {
  providers: string;
  tariffs: string;
  zones: string;
}

/** What a sync changed in one placement, in rows. */
export interface SyncReport {
  written: number;
  removed: number;
  /** Tariffs and providers that are published no more but still in use there. */
  kept: number;
}

/** A provider with its tariffs, as they are put in. Prices are decimals in text. */
export interface ProviderData {
  id: string;
  name: string;
  country: string;
  tariffs: {
    id: string;
    name: string;
    utility: "electricity" | "water" | "heating" | "gas";
    currency: string;
    unit: string;
    validFrom: string;
    validTo: string | null;
    zones: Record<string, string>;
  }[];
}

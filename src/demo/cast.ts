// Who plays in the demo: three property managers, one for each tier. Any likeness to real ones is accidental.
import type { CustomerServer } from "../cli/local.ts";

/** One organisation of the story. */
export interface Organisation {
  slug: string;
  name: string;
  tier: "shared" | "dedicated" | "byo";
  admin: { first_name: string; last_name: string; email: string };
  building: string;
}

/** The three of the story. */
export const CAST: Organisation[] = [
  {
    slug: "harbour-homes",
    name: "Harbour Homes",
    tier: "shared",
    admin: { first_name: "Hana", last_name: "Harbour", email: "hana@harbour-homes.test" },
    building: "Pier House",
  },
  {
    slug: "maple-court",
    name: "Maple Court Management",
    tier: "dedicated",
    admin: { first_name: "Marc", last_name: "Maple", email: "marc@maple-court.test" },
    building: "Maple Court",
  },
  {
    slug: "northern-estates",
    name: "Northern Estates",
    tier: "byo",
    admin: { first_name: "Nora", last_name: "North", email: "nora@northern-estates.test" },
    building: "Aurora Lofts",
  },
];

/** What an organisation sends to apply. */
export function application(organisation: Organisation, customer: CustomerServer) {
  const { slug, name, tier, admin } = organisation;
  return {
    organization_name: name,
    slug,
    contact_first_name: admin.first_name,
    contact_last_name: admin.last_name,
    contact_email: admin.email,
    tier,
    time_zone: "America/Toronto",
    locale: "en-CA",
    currency: "CAD",
    ...(tier === "byo" && { byo: customer }),
  };
}

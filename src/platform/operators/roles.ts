// Which operators may call what on the platform. A route names one of these lists as its `roles`; the table is in
// docs/access.md. Inside a tenant none of them counts: there operators act by a visit only (X6).
import type { OperatorRole } from "./model.ts";

/** Whoever runs the platform: what concerns oneself, and tenants. */
export const EVERYBODY = ["superadmin", "support", "billing", "auditor"] as const satisfies readonly OperatorRole[];

/** Who looks at what happens: applications, events, accounts, visits. */
export const OBSERVERS = ["superadmin", "support", "auditor"] as const satisfies readonly OperatorRole[];

/** Who looks at operators and at everyone's keys. */
export const INSPECTORS = ["superadmin", "auditor"] as const satisfies readonly OperatorRole[];

/** Who visits tenants. Only superadmins change something there. */
export const VISITORS = ["superadmin", "support"] as const satisfies readonly OperatorRole[];

/** Who decides. */
export const DECIDERS = ["superadmin"] as const satisfies readonly OperatorRole[];

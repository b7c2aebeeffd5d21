// `bulkhead/testing`: what tests of an app's own modules need. A platform with a real database, tenants in milliseconds,
// their rows and their API, and the question whether a table or a route leaks. For tests only: nothing that serves
// imports it. See docs/testing.md.
export { asTenant, currentTenant, freshTenant, switchTenant } from "./tenant.ts";
export type { EndedJob, Role, TenantRequest, TestTenant, Visit } from "./tenant.ts";
export { testPlatform } from "./platform.ts";
export type { TestPlatform } from "./platform.ts";
export { expectNoLeak } from "./no_leak.ts";
export type { LeakOptions } from "./no_leak.ts";

// One run of the saga: what its steps work with. A run keeps one connection to the tenant's database open over its
// steps, and knows the tenant only by what the platform database says.
import type { Sql } from "../../db/direct.ts";
import type { Work } from "../../db/doors.ts";
import type { Tx } from "../../db/sql.ts";
import { AppError } from "../../errors.ts";
import type { Services } from "../../tenancy/services.ts";
import type { Application } from "../applications/model.ts";
import { openPlacement } from "../placements/connect.ts";
import { type Placement, routed } from "../placements/model.ts";
import type { StepName } from "./model.ts";
import type { Lease } from "./queries.ts";

/** Who the saga is in events and contexts. */
export const ACTOR = "job:tenants.provision";
const OPERATION = "tenants.provision";

/** What a step leaves to be written with its "done". */
export interface Done {
  /** Milliseconds of each of its names; by default the first has all. */
  durations?: Partial<Record<StepName, number>>;
  /** Changes on the platform that belong to it. */
  record?: (tx: Tx) => Promise<void>;
}

/** One run, by one worker, for one application. */
export class Run {
  readonly lease: Lease;
  /** The queue's id of the job. */
  readonly jobId: string;
  #placement: Placement | undefined;
  #direct: Promise<Sql> | undefined;

  constructor(
    readonly services: Services,
    /** The application as of the start of the run; its tenant has an id. */
    readonly application: Application & { tenant_id: string },
    options: { lease: Lease; jobId: string },
  ) {
    this.lease = options.lease;
    this.jobId = options.jobId;
  }

  get tenantId(): string {
    return this.application.tenant_id;
  }

  /** Where the tenant lives; set by the step "placement", or read again by a run that comes after it. */
  get placement(): Placement {
    if (!this.#placement) throw new AppError("internal", "The tenant has no placement yet");
    return this.#placement;
  }

  set placement(placement: Placement | undefined) {
    this.#placement = placement;
  }

  /** Runs work on the platform database. */
  async asPlatform<T>(work: Work<T>): Promise<T> {
    const context = { actor: ACTOR, operation: OPERATION, requestId: this.jobId, readOnly: false };
    return await this.services.doors.asPlatform(context, work);
  }

  /** Runs work in the new tenant, by the same door as everyone. */
  async asTenant<T>(work: Work<T>): Promise<T> {
    const tenant = { id: this.tenantId, placement: routed(this.placement) };
    const entering = { operation: OPERATION, requestId: this.jobId, readOnly: false };
    return await this.services.doors.asTenant(await this.services.targets.context(tenant, entering), work);
  }

  /** The connection to the tenant's database as the one who may change it. */
  direct(): Promise<Sql> {
    return this.#direct ??= openPlacement(this.services, this.placement);
  }

  /** Closes what the run opened. */
  async close(): Promise<void> {
    const sql = await this.#direct?.catch(() => undefined);
    await sql?.end({ timeout: 1 }).catch(() => {});
  }
}

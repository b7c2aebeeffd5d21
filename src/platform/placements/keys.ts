// The keys that sign tenant contexts change without anyone noticing: the next key is put into the placement beside the
// current one, tried by the door that requests use, and only then signed with; the old one is retired when nothing that it
// signed can still be under way. Each step may be cut off: the next rotation goes on with what is there.
import { newId } from "../../db/ids.ts";
import type { Sql } from "../../db/direct.ts";
import { installKey } from "../../db/rollout.ts";
import type { Work } from "../../db/doors.ts";
import { AppError } from "../../errors.ts";
import type { QueueDefinition, QueuedJob } from "../../queue/queue.ts";
import type { Services } from "../../tenancy/services.ts";
import { z } from "@hono/zod-openapi";
import { recordEvent } from "../events/queries.ts";
import { placementTarget, withinLimits } from "./connect.ts";
import { type Placement, rolesOf, routed } from "./model.ts";
import { findPlacement, switchKey } from "./queries.ts";

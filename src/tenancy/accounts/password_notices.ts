// Telling a person by mail that the password was changed. A job is sent with the change, so that commit keeps both and no
// request waits for the mail server; what it says is sealed, since it holds an address of mail and one of the network.
import { z } from "zod";
import { newId } from "../../db/ids.ts";
import type { Tx } from "../../db/sql.ts";
import type { QueueDefinition, QueuedJob } from "../../queue/queue.ts";
import type { Services } from "../services.ts";

/** A queue of such mails. A mail server that is away for an hour loses none. */
export function noticeQueue(name: string): QueueDefinition {
  return { name, retryLimit: 12, retryDelay: 5, retryDelayMax: 900, expireInSeconds: 60 };
}

/** What a job tells: where the mail goes, when the password was changed, from which network address if anybody told. */
export interface PasswordNotice {
  to: string;
  at: Date;
  address: string | null;
}

const payload = z.object({ notice: z.string() });
const opened = z.object({ to: z.string(), at: z.coerce.date(), address: z.string().nullable() });
const scope = (queue: string, id: string) => ({ purpose: queue, id });

/** Seals a notice; what comes back sends its job in the transaction that changes the password. */
export async function prepareNotice(
  services: Services,
  queue: QueueDefinition,
  { tenantId, ...notice }: PasswordNotice & { tenantId?: string },
): Promise<(tx: Tx) => Promise<void>> {
  const id = newId();
  const sealed = await services.secrets.seal(JSON.stringify(notice), scope(queue.name, id));
  return (tx) => services.queue.sendWith(tx, queue.name, { notice: sealed }, { id, tenantId });
}

/** What a job of the queue tells. */
export async function openNotice(
  services: Services,
  queue: QueueDefinition,
  job: QueuedJob,
): Promise<PasswordNotice> {
  const { notice } = payload.parse(job.data);
  return opened.parse(JSON.parse(await services.secrets.open(notice, scope(queue.name, job.id))));
}

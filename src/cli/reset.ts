// `reset`: removes the home folder with the embedded databases, after asking.
import { removeHome } from "../embedded/home.ts";

/** Asks, then removes. `yes` answers the question beforehand. */
export async function reset(options: { dir: string; yes: boolean }): Promise<void> {
  const removed = await removeHome(options.dir, { yes: options.yes });
  console.log(removed ? `Removed ${options.dir}` : "Nothing was removed");
}

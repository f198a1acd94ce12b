import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for work that a stop would like to finish, but not longer than `ms`. A failure is ignored. */
export async function waitAtMost(ms: number, work: Promise<unknown>): Promise<void> {
  await Promise.race([work.catch(() => undefined), sleep(ms, undefined, { ref: false })]);
}

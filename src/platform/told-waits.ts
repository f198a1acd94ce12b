import { guarded } from './guarded.js';
import type { Logger } from './logging.js';

const TELL_AFTER_MS = 3000;
const TELL_AGAIN_MS = 15_000;

/**
 * Runs one step of a start. While it takes longer than a few seconds, the log says which step that is and
 * who holds it up.
 * @param whoHoldsUp asks for that, as part of a sentence; an empty answer means that nobody does
 */
export async function tellingWaits<Result>(
  logger: Logger,
  step: string,
  work: () => Promise<Result>,
  whoHoldsUp: () => Promise<string> = () => Promise.resolve(''),
): Promise<Result> {
  const begun = performance.now();
  const tell = async () => {
    // A database that does not answer this question may be the reason for the wait.
    const who = await whoHoldsUp().catch(() => '');
    const seconds = Math.round((performance.now() - begun) / 1000);
    const by = who === '' ? '' : `, held up by ${who}`;
    if (isOver) return;
    logger.warn({ step }, `the start has waited ${seconds} s for ${step}${by}`);
    timer = setTimeout(guarded(logger, 'wait of the start', tell), TELL_AGAIN_MS);
  };
  let isOver = false;
  let timer = setTimeout(guarded(logger, 'wait of the start', tell), TELL_AFTER_MS);
  try {
    return await work();
  } finally {
    isOver = true;
    clearTimeout(timer);
  }
}

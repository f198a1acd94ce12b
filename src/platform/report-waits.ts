import { guarded } from './guarded.js';
import type { Logger } from './logging.js';

const REPORT_AFTER_MS = 3000;
const REPORT_AGAIN_MS = 15_000;

/**
 * Runs one step of a start. When it takes longer than a few seconds, the log names the step and who holds it
 * up.
 * @param whoHoldsUp finds that out, as part of a sentence; empty: nobody
 */
export async function reportingWaits<Result>(
  logger: Logger,
  step: string,
  work: () => Promise<Result>,
  whoHoldsUp: () => Promise<string> = () => Promise.resolve(''),
): Promise<Result> {
  const begun = performance.now();
  const report = async () => {
    // A database that does not answer this question may be the reason for the wait.
    const who = await whoHoldsUp().catch(() => '');
    const seconds = Math.round((performance.now() - begun) / 1000);
    const by = who === '' ? '' : `, held up by ${who}`;
    if (isOver) return;
    logger.warn({ step }, `the start has waited ${seconds} s for ${step}${by}`);
    timer = setTimeout(guarded(logger, 'wait of the start', report), REPORT_AGAIN_MS);
  };
  let isOver = false;
  let timer = setTimeout(guarded(logger, 'wait of the start', report), REPORT_AFTER_MS);
  try {
    return await work();
  } finally {
    isOver = true;
    clearTimeout(timer);
  }
}

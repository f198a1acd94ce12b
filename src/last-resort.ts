import { guarded } from './platform/guarded.js';
import type { Logger } from './platform/logging.js';

/** `EX_SOFTWARE` of sysexits.h: a bug ended the process, so it should be started again. */
export const ESCAPED_EXIT_CODE = 70;

/**
 * What no guard has caught, an exception or a rejected promise, leaves a state that nobody knows. The
 * process ends, but in order: `stop` is called once, and the exit code is set. A further escape is
 * logged and does not begin again. When the stop hangs, the process ends all the same.
 */
export function stopOnEscape(logger: Logger, stop: () => void, withinMs: number): void {
  let stopping = false;
  const escaped = (error: unknown, origin: string) => {
    if (stopping) {
      logger.fatal({ error, origin }, 'another error escaped while the service stops');
      return;
    }
    stopping = true;
    process.exitCode = ESCAPED_EXIT_CODE;
    const giveUp = guarded(logger, 'end of a stop', () => process.exit());
    setTimeout(giveUp, withinMs).unref();
    logger.fatal(
      { error, origin },
      'an error escaped: the service stops, and has to be started again',
    );
    stop();
  };
  // Without a listener for `unhandledRejection` Node hands rejections over as well.
  process.on('uncaughtException', guarded(logger, 'uncaughtException', escaped));
}

import { guarded } from './guarded.js';
import type { Logger } from './logging.js';
import { startedInTerminal } from './take-signals.js';

/** A stop may take 10 s. What takes longer, such as waiting for the migration of another replica, is cut off. */
const STOP_WITHIN_MS = 9500;
/** `EX_SOFTWARE` of sysexits.h: a bug ended the process, so it should be started again. */
export const ESCAPED_EXIT_CODE = 70;

export interface Stop {
  /** Aborted as soon as the service has to stop. */
  readonly interrupted: AbortSignal;
  /** Resolves with the reason: the name of a signal, or that an error escaped. */
  readonly stopped: Promise<string>;
}

/** SIGHUP means that the terminal was closed. A process without a terminal ignores it. */
export function stopSignalsOfThisProcess(): readonly NodeJS.Signals[] {
  return startedInTerminal ? ['SIGINT', 'SIGTERM', 'SIGHUP'] : ['SIGINT', 'SIGTERM'];
}

/** Listens from now on to everything that stops the service: a signal, or an error that escaped. */
export function untilStopped(logger: Logger): Stop {
  const interrupted = new AbortController();
  logIgnoredSignals(logger);
  const stopped = new Promise<string>((resolve) => {
    const stop = (why: string) => {
      interrupted.abort();
      resolve(why);
      const giveUp = guarded(logger, 'end of a stop', () => process.exit(process.exitCode ?? 1));
      setTimeout(giveUp, STOP_WITHIN_MS).unref();
    };
    stopOnEscape(logger, () => {
      stop('an error escaped');
    });
    for (const signal of stopSignalsOfThisProcess()) {
      const onSignal = guarded(logger, signal, () => {
        stop(signal);
      });
      // Not `once`: on Ctrl-C the terminal signals us, and npm signals us again. Without a listener the
      // second signal would kill the process.
      process.on(signal, onSignal);
    }
  });
  return { interrupted: interrupted.signal, stopped };
}

/**
 * An exception or rejection that no guard has caught leaves an unknown state. The process ends, but in
 * order: `stop` is called once. Further errors are only logged.
 */
function stopOnEscape(logger: Logger, stop: () => void): void {
  const escaped = (error: unknown, origin: string) => {
    if (process.exitCode === ESCAPED_EXIT_CODE) {
      logger.fatal({ error, origin }, 'another error escaped while the service stops');
      return;
    }
    process.exitCode = ESCAPED_EXIT_CODE;
    logger.fatal(
      { error, origin },
      'an error escaped: the service stops, and has to be started again',
    );
    stop();
  };
  // Without a listener for `unhandledRejection` Node hands rejections over as well.
  process.on('uncaughtException', guarded(logger, 'uncaughtException', escaped));
}

function logIgnoredSignals(logger: Logger): void {
  const usr1 = guarded(logger, 'SIGUSR1', () => {
    logger.info('SIGUSR1: ignored, for it would open the inspector of Node to every local user');
  });
  process.on('SIGUSR1', usr1);
  if (stopSignalsOfThisProcess().includes('SIGHUP')) return;
  const hup = guarded(logger, 'SIGHUP', () => {
    logger.info('SIGHUP: ignored, for the service was not started in a terminal');
  });
  process.on('SIGHUP', hup);
}

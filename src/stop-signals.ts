import { stopOnEscape } from './last-resort.js';
import { guarded } from './platform/guarded.js';
import type { Logger } from './platform/logging.js';
import { startedInTerminal } from './platform/take-signals.js';

/** A stop may take 10 s. What hangs for longer, such as a migration of another replica, is left. */
const STOP_WITHIN_MS = 9500;

export interface Stop {
  /** Aborted as soon as the service has to stop. */
  readonly interrupted: AbortSignal;
  /** Resolves with the reason: the name of a signal, or that an error escaped. */
  readonly stopped: Promise<string>;
}

/** SIGHUP says that the terminal was closed. A process without one goes on. */
export function stopSignalsOfThisProcess(): readonly NodeJS.Signals[] {
  return startedInTerminal ? ['SIGINT', 'SIGTERM', 'SIGHUP'] : ['SIGINT', 'SIGTERM'];
}

/** Listens from now on to what stops the service: a signal, or an error that escaped. */
export function untilStopped(logger: Logger): Stop {
  const interrupted = new AbortController();
  logIgnoredSignals(logger);
  const stopped = new Promise<string>((resolve) => {
    const stop = (why: string) => {
      interrupted.abort();
      resolve(why);
    };
    const onEscape = () => {
      stop('an error escaped');
    };
    stopOnEscape(logger, onEscape, STOP_WITHIN_MS);
    for (const signal of stopSignalsOfThisProcess()) {
      // Not only once: npm passes on a Ctrl-C that the terminal has sent to us as well, and a second
      // one without a listener would end the process on the spot.
      const onSignal = guarded(logger, signal, () => {
        stop(signal);
        const giveUp = guarded(logger, 'end of a stop', () => process.exit(process.exitCode ?? 1));
        setTimeout(giveUp, STOP_WITHIN_MS).unref();
      });
      process.on(signal, onSignal);
    }
  });
  return { interrupted: interrupted.signal, stopped };
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

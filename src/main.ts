import { readAppConfig, type AppConfig } from '../config/app-config.js';
import { stopOnEscape } from './last-resort.js';
import { guarded } from './platform/guarded.js';
import { createLogger, type Logger } from './platform/logging.js';
import { seedSampleLicense } from './sample-license.js';
import { startIssuer } from './start-issuer.js';
import { tellHowToTry } from './tell-how-to-try.js';

/** A stop may take 10 s; what hangs for longer, a migration of another replica say, is left. */
const STOP_WITHIN_MS = 9500;

async function main(): Promise<void> {
  // A terminal that was closed takes no text; the service still has to stop in order.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const config = readConfigOrExit();
  const logger = createLogger(config.logLevel);
  const { interrupted, stopped } = untilStopped(logger);
  const start = startIssuer(config, { logger, signal: interrupted });
  const issuer = await start.catch((error: unknown) => {
    if (!interrupted.aborted) throw error;
    logger.info('stopped before it had started');
    process.exit();
  });
  logger.info({ issuer: issuer.config.issuerUrl }, `listening on ${await issuer.app.getUrl()}`);
  if (issuer.config.embedded && (await seedSampleLicense(issuer.app, issuer.config))) {
    tellHowToTry(issuer.config);
  }
  issuer.broughtUp.catch((error: unknown) => {
    if (!interrupted.aborted) logger.fatal({ error }, 'tokens cannot be issued');
  });

  const why = await stopped;
  logger.info(`${why}: answering what is under way, then stopping`);
  await issuer.close();
  logger.info('stopped');
  // 0, unless an error escaped.
  process.exit();
}

/** Listens from now on to what stops the service: a signal, or an error that escaped. */
function untilStopped(logger: Logger): { interrupted: AbortSignal; stopped: Promise<string> } {
  const interrupted = new AbortController();
  const stopped = new Promise<string>((resolve) => {
    const stop = (why: string) => {
      interrupted.abort();
      resolve(why);
    };
    stopOnEscape(
      logger,
      () => {
        stop('an error escaped');
      },
      STOP_WITHIN_MS,
    );
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
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

function readConfigOrExit(): AppConfig {
  try {
    return readAppConfig();
  } catch (error) {
    return refuse(error);
  }
}

/** Ends with the message alone: it says what to mend. */
function refuse(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(process.exitCode ?? 1);
}

main().catch(refuse);

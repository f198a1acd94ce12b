import { readAppConfig, type AppConfig } from '../config/app-config.js';
import { createLogger } from './platform/logging.js';
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
  const interrupted = new AbortController();
  const stopped = new Promise<string>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      // Not only once: npm passes on a Ctrl-C that the terminal has sent to us as well, and a second
      // one without a listener would end the process on the spot.
      process.on(signal, () => {
        interrupted.abort();
        resolve(signal);
        setTimeout(() => process.exit(1), STOP_WITHIN_MS).unref();
      });
    }
  });
  const start = startIssuer(config, { logger, signal: interrupted.signal });
  const issuer = await start.catch((error: unknown) => {
    if (!interrupted.signal.aborted) throw error;
    logger.info('stopped before it had started');
    process.exit(0);
  });
  logger.info({ issuer: issuer.config.issuerUrl }, `listening on ${await issuer.app.getUrl()}`);
  if (issuer.config.embedded && (await seedSampleLicense(issuer.app, issuer.config))) {
    tellHowToTry(issuer.config);
  }
  issuer.broughtUp.catch((error: unknown) => {
    if (!interrupted.signal.aborted) logger.fatal({ error }, 'tokens cannot be issued');
  });

  const signal = await stopped;
  logger.info(`${signal}: answering what is under way, then stopping`);
  await issuer.close();
  logger.info('stopped');
  process.exit(0);
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
  process.exit(1);
}

main().catch(refuse);

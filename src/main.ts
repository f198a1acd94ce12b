import './platform/take-signals.js';
import { type AppConfig, readServerConfig } from '../config/app-config.js';
import { createLogger, type Logger } from './platform/logging.js';
import { untilStopped } from './platform/stop-signals.js';
import { printSampleRequest, seedSampleLicense } from './sample-license.js';
import { type RunningIssuer, startIssuer } from './start-issuer.js';

async function main(): Promise<void> {
  // Writing to a closed terminal fails. The service must still stop in order.
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
  issuer.broughtUp
    .then(() => offerSample(issuer, logger))
    .catch((error: unknown) => {
      if (!interrupted.aborted) logger.fatal({ error }, 'tokens cannot be issued');
    });

  const why = await stopped;
  logger.info(`${why}: answering what is under way, then stopping`);
  await issuer.close();
  logger.info('stopped');
  // 0, unless an error escaped.
  process.exit();
}

/** The sample is a convenience: when it cannot be made, the service goes on. */
async function offerSample({ app, config }: RunningIssuer, logger: Logger): Promise<void> {
  if (!config.embedded) return;
  try {
    if (await seedSampleLicense(app, config)) printSampleRequest(config);
  } catch (error) {
    logger.error({ error }, 'the sample license could not be made');
  }
}

function readConfigOrExit(): AppConfig {
  try {
    return readServerConfig();
  } catch (error) {
    return refuse(error);
  }
}

/** The message alone, without a stack: it says what to correct. */
function refuse(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(process.exitCode ?? 1);
}

main().catch(refuse);

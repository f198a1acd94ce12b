import { randomBytes } from 'node:crypto';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { AppConfig } from '../config/app-config.js';
import { dataSourceOptions } from '../config/data-source.js';
import { AppModule } from './app.module.js';
import { bringUp } from './bring-up.js';
import { type LoadedCatalog, loadCatalog } from './catalog/load-catalog.js';
import { shippedCatalogDirectory } from './catalog/shipped-catalog.js';
import { hangUpWithAnAnswer } from './hang-up.js';
import { BoundedServer } from './http/bounded-server.js';
import { observeServer } from './http/server-metrics.js';
import { httpServer } from './http-server.js';
import { serveOpenapi } from './openapi.js';
import type { DataSourceOptions } from 'typeorm';
import { Clock } from './platform/clock.js';
import { isDatabaseAway, isDatabaseClosed, TROUBLES, troubleOf } from './platform/database-away.js';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './platform/embedded-postgres.js';
import { ErrorFilter } from './platform/error-filter.js';
import { generatedSecret } from './platform/generated-secret.js';
import { guarded } from './platform/guarded.js';
import { type Logger, NestLogger } from './platform/logging.js';
import { Metrics } from './platform/metrics.js';
import { MigrationHeldUpError } from './platform/migration-locks.js';
import type { ServiceConfig } from './platform/service-config.js';
import { namingTheListener } from './refusals-of-a-start.js';
import { KeysSetBackError } from './signing-keys/dropped-keys.js';
import { SigningKeys } from './signing-keys/signing-keys.service.js';

const RETRY_MS = 500;
const UNTIL_THEN = 'keys of the last run are published, nothing is issued';
/** Of the 10 s that a stop may take; the rest is for the embedded Postgres. */
const DRAIN_MS = 7000;
const LINGER_MS = 500;
/** Connections that the kernel keeps until we take them; it may have a bound of its own (somaxconn). */
const BACKLOG = 4096;

export interface StartOptions {
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Gives up a start that is under way. */
  readonly signal?: AbortSignal;
  /** How long a stop goes on answering; 500 ms unless told. */
  readonly lingerMs?: number;
}

export interface RunningIssuer {
  readonly app: NestFastifyApplication;
  readonly config: ServiceConfig;
  /** Resolves once tokens can be issued; at once unless the database was away at the start. */
  readonly broughtUp: Promise<void>;
  /** Answers what is under way, then stops, the embedded Postgres last. Twice does nothing. */
  close(): Promise<void>;
}

/**
 * Starts the service. It listens once it has keys to publish: read from the database, or, with that
 * away, kept from the last run; then it goes on trying to reach the database in the background.
 * @throws {CatalogFaultsError | StartRefusedError} what an operator must mend
 */
export async function startIssuer(
  appConfig: AppConfig,
  options: StartOptions,
): Promise<RunningIssuer> {
  const catalog = loadCatalog(appConfig.catalogDir ?? shippedCatalogDirectory());
  for (const warning of [...appConfig.warnings, ...catalog.warnings]) options.logger.warn(warning);
  const embedded =
    appConfig.databaseUrl === null ? await embeddedPostgres(appConfig, options) : null;
  try {
    const config = await serviceConfig(appConfig, embedded);
    return await serve(config, catalog, embedded, options);
  } catch (error) {
    await embedded?.stop();
    throw error;
  }
}

async function serve(
  config: ServiceConfig,
  catalog: LoadedCatalog,
  embedded: EmbeddedPostgres | null,
  options: StartOptions,
): Promise<RunningIssuer> {
  const dataSource = dataSourceOptions(config);
  const app = await createApp(config, dataSource, catalog, options);
  const stopping = new AbortController();
  const givenUp = AbortSignal.any([stopping.signal, ...(options.signal ? [options.signal] : [])]);
  const close = once(async () => {
    stopping.abort();
    await drain(app, options.logger);
    await embedded?.stop();
  });
  try {
    const attempt = () => bringUpUnlessAway(app, config, dataSource);
    const obstacle = await attempt();
    const broughtUp =
      obstacle === null
        ? Promise.resolve()
        : keepTrying(attempt, obstacle, options.logger, givenUp);
    // Whoever wants to know waits for it; nobody has to.
    broughtUp.catch(() => undefined);
    if (!(await listensEarly(app, app.get(Clock).now()))) await broughtUp;
    const listener = { port: config.port, host: config.host, backlog: BACKLOG };
    await namingTheListener(() => app.listen(listener));
    return { app, config, broughtUp, close };
  } catch (error) {
    await drain(app, options.logger);
    throw error;
  }
}

/** Whether there are keys to publish now, if only those of the last run. */
async function listensEarly(app: NestFastifyApplication, now: Date): Promise<boolean> {
  const signingKeys = app.get(SigningKeys);
  return signingKeys.published() !== null || signingKeys.publishKept(now);
}

async function createApp(
  config: ServiceConfig,
  dataSource: DataSourceOptions,
  catalog: LoadedCatalog,
  { logger, clock = new Clock(), lingerMs = LINGER_MS }: StartOptions,
): Promise<NestFastifyApplication> {
  const server = new BoundedServer(config.trustedProxies, logger);
  const adapter = httpServer(config, logger, server);
  hangUpWithAnAnswer(adapter.getInstance(), lingerMs);
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.on({ config, dataSource, catalog, clock, logger }),
    adapter,
    { logger: new NestLogger(logger), abortOnError: false, bodyParser: false },
  );
  observeServer(server, app.get(Metrics).registry);
  app.useGlobalFilters(new ErrorFilter(logger));
  serveOpenapi(app);
  return app;
}

/**
 * @returns why it has to be tried again: the database is away, has keys that must not sign, or tables
 * that others hold
 */
async function bringUpUnlessAway(
  app: NestFastifyApplication,
  config: ServiceConfig,
  dataSource: DataSourceOptions,
): Promise<string | null> {
  try {
    await bringUp(app, config, dataSource);
    return null;
  } catch (error) {
    if (isDatabaseAway(error)) return obstacleOf(error);
    if (error instanceof KeysSetBackError || error instanceof MigrationHeldUpError) {
      return error.message;
    }
    throw error;
  }
}

async function keepTrying(
  attempt: () => Promise<string | null>,
  obstacle: string,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  let told: string | null = null;
  let now: string | null = obstacle;
  while (now !== null) {
    if (now.endsWith(UNTIL_THEN) && now !== told) logger.warn(now);
    else if (now !== told) logger.error(now);
    told = now;
    await sleep(RETRY_MS, undefined, { signal });
    now = await attempt().catch(obstacleIfClosed);
  }
  logger.info('the database is back: tokens are issued');
}

/** A start refuses a wrong password; once keys are published, an operator may take time to mend it. */
function obstacleIfClosed(error: unknown): string {
  if (isDatabaseClosed(error)) return obstacleOf(error);
  throw error;
}

function obstacleOf(error: unknown): string {
  return `${TROUBLES[troubleOf(error) ?? 'away']}: ${UNTIL_THEN}`;
}

/** Lets requests under way finish; a connection that takes too long is cut. */
async function drain(app: NestFastifyApplication, logger: Logger): Promise<void> {
  const server = app.getHttpServer();
  const cutOff = guarded(logger, 'end of the drain', () => {
    server.closeAllConnections();
  });
  const cut = setTimeout(cutOff, DRAIN_MS);
  await Promise.race([app.close(), sleep(DRAIN_MS + 1000, undefined, { ref: false })]);
  clearTimeout(cut);
}

function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => (running ??= work());
}

function embeddedPostgres(config: AppConfig, options: StartOptions): Promise<EmbeddedPostgres> {
  return startEmbeddedPostgres({
    dataDir: resolve(config.dataDir),
    log: (line) => {
      options.logger.info(line);
    },
    ...(options.signal ? { signal: options.signal } : {}),
  });
}

/** Secrets are generated only beside a database that is just as local. */
export async function serviceConfig(
  config: AppConfig,
  embedded: Pick<EmbeddedPostgres, 'connectionString'> | null,
): Promise<ServiceConfig> {
  const dataDir = resolve(config.dataDir);
  const databaseUrl = embedded?.connectionString ?? config.databaseUrl ?? '';
  const urls = { databaseUrl, databaseDirectUrl: config.databaseDirectUrl ?? databaseUrl };
  const { keyEncryptionKey, bootstrapAdminToken } = config;
  const generate = (file: string, encoding: 'base64' | 'base64url') =>
    generatedSecret(join(dataDir, file), () => randomBytes(32).toString(encoding));
  return {
    ...config,
    ...urls,
    dataDir,
    embedded: embedded !== null,
    keyEncryptionKey:
      keyEncryptionKey ?? Buffer.from(await generate('key-encryption-key', 'base64'), 'base64'),
    bootstrapAdminToken:
      bootstrapAdminToken ?? (embedded ? await generate('admin-token', 'base64url') : null),
  };
}

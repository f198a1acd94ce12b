import { setTimeout as sleep } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { DataSourceOptions } from 'typeorm';
import { type AppConfig, ConfigFaultsError } from '../config/app-config.js';
import { readTlsFiles } from '../config/tls-files.js';
import { dataSourceOptions } from './data-source.js';
import { AppModule } from './app.module.js';
import { bringUp } from './bring-up.js';
import { type LoadedCatalog, loadCatalog } from './catalog/load-catalog.js';
import { shippedCatalogDirectory } from './catalog/shipped-catalog.js';
import { databaseAccess } from './database/database-access.js';
import { STAGING_ROOT } from './embedded-postgres/binaries.js';
import { CLUSTERS } from './embedded-postgres/cluster.js';
import { requireFreeDataDir } from './embedded-postgres/data-dir-lock.js';
import { OwnPostgres } from './embedded-postgres/own-postgres.js';
import { BoundedServer } from './http/bounded-server.js';
import { ErrorFilter } from './http/error-filter.js';
import { hangUpWithAnAnswer } from './http/hang-up.js';
import { httpServer, type TlsFiles } from './http/http-server.js';
import { serveOpenapi } from './http/openapi.js';
import { namingTheListener } from './http/refused-listener.js';
import { observeServer } from './http/server-metrics.js';
import { Clock } from './platform/clock.js';
import { guarded } from './platform/guarded.js';
import { type Logger, NestLogger } from './platform/logging.js';
import { Metrics } from './platform/metrics.js';
import { type ServiceConfig, serviceConfig } from './platform/service-config.js';
import { sweepDrafts } from './platform/write-file-whole.js';
import { Readiness } from './probes/readiness.js';
import { SigningKeys } from './signing-keys/signing-keys.service.js';
import { StartAttempts } from './start-attempts.js';

/** A stop may take 10 s. The last 3 s are for the embedded Postgres. */
const DRAIN_MS = 7000;
const LINGER_MS = 500;
/** Connections that the kernel queues for us. It may have a lower limit of its own (somaxconn). */
const BACKLOG = 4096;

interface StartOptions {
  readonly logger: Logger;
  readonly clock?: Clock;
  /** Aborts a start that is under way. */
  readonly signal?: AbortSignal;
  /** How long the service goes on answering while it stops; 500 ms by default. */
  readonly lingerMs?: number;
}

export interface RunningIssuer {
  readonly app: NestFastifyApplication;
  readonly config: ServiceConfig;
  /** Resolves once tokens can be issued: at once unless the first attempt met an obstacle. */
  readonly broughtUp: Promise<void>;
  /** Answers the requests under way, then stops, the embedded Postgres last. Twice does nothing. */
  close(): Promise<void>;
}

/**
 * Starts the service. If there are kept keys, it listens at once and publishes them, and brings the
 * database up in the background, in as many attempts as it takes. Otherwise it listens once it has read
 * keys from the database. Resolves after the first attempt.
 * @throws {CatalogFaultsError | StartRefusedError} an operator must correct something
 */
export async function startIssuer(
  appConfig: AppConfig,
  options: StartOptions,
): Promise<RunningIssuer> {
  const catalog = loadCatalog(appConfig.catalogDir ?? shippedCatalogDirectory());
  for (const warning of [...appConfig.warnings, ...catalog.warnings]) options.logger.warn(warning);
  const config = serviceConfig(appConfig);
  if (config.embedded) await requireFreeDataDir(config.dataDir);
  return serve(config, catalog, options);
}

async function serve(
  config: ServiceConfig,
  catalog: LoadedCatalog,
  options: StartOptions,
): Promise<RunningIssuer> {
  const dataSource = dataSourceOptions(config);
  const app = await createApp(config, dataSource, catalog, options);
  const stopping = new AbortController();
  const signal = AbortSignal.any([stopping.signal, ...(options.signal ? [options.signal] : [])]);
  const own = config.embedded ? ownPostgres(config, options.logger, signal) : null;
  const close = once(async () => {
    stopping.abort();
    await drain(app, options.logger);
    await own?.stop();
  });
  const attempt = async () => {
    // After the listener opens if there are kept keys: a slow disk must not delay them.
    await sweepAbandonedDrafts(config, options);
    const embedded = own && (await own.start());
    await bringUp(app, dataSource, await databaseAccess(config, embedded));
  };
  try {
    const { broughtUp } = await listenAndBringUp(app, config, attempt, { ...options, signal });
    return { app, config, broughtUp, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Listens first if kept keys may be published, otherwise once keys have been read. */
async function listenAndBringUp(
  app: NestFastifyApplication,
  config: ServiceConfig,
  attempt: () => Promise<void>,
  { logger, clock = new Clock(), signal }: StartOptions & { readonly signal: AbortSignal },
): Promise<{ readonly broughtUp: Promise<void> }> {
  const publishesKept = await app.get(SigningKeys).publishKept(clock.now());
  const readiness = app.get(Readiness);
  const report = (obstacle: string | null) => {
    readiness.markObstacle(obstacle);
  };
  const isListening = () => app.getHttpServer().listening;
  const attempts = new StartAttempts(attempt, { config, isListening, logger, signal, report });
  const listener = { port: config.port, host: config.host, backlog: BACKLOG };
  const listen = () => namingTheListener(() => app.listen(listener));
  if (publishesKept) {
    await listen();
    logger.info('listening with kept keys; the database is being brought up');
    return attempts.begin();
  }
  const begun = await attempts.begin();
  if (app.get(SigningKeys).published() === null) await begun.broughtUp;
  await listen();
  return begun;
}

/** A crash leaves drafts of files. A copy of the Postgres binaries takes 60 MB. */
async function sweepAbandonedDrafts(
  { dataDir }: ServiceConfig,
  { logger, clock = new Clock() }: StartOptions,
): Promise<void> {
  for (const folder of [dataDir, STAGING_ROOT, CLUSTERS]) {
    const removed = await sweepDrafts(folder, clock.now());
    if (removed.length > 0) logger.info({ folder, removed }, 'drafts of a crash were removed');
  }
}

function ownPostgres({ dataDir }: ServiceConfig, logger: Logger, signal: AbortSignal): OwnPostgres {
  const log = (line: string) => {
    logger.info(line);
  };
  return new OwnPostgres(dataDir, log, signal);
}

async function createApp(
  config: ServiceConfig,
  dataSource: DataSourceOptions,
  catalog: LoadedCatalog,
  { logger, clock = new Clock(), lingerMs = LINGER_MS }: StartOptions,
): Promise<NestFastifyApplication> {
  const server = new BoundedServer(config, logger);
  const adapter = httpServer(config, logger, tlsOf(config), server);
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

function tlsOf({ tls }: ServiceConfig): TlsFiles | null {
  if (tls === null) return null;
  const faults: string[] = [];
  const files = readTlsFiles(tls, faults);
  if (files === null) throw new ConfigFaultsError(faults);
  return files;
}

/** Lets requests under way finish, and cuts connections that take too long. */
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

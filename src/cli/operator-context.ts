import { resolve } from 'node:path';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { type AppConfig, readAppConfig } from '../../config/app-config.js';
import { dataSourceOptions } from '../data-source.js';
import { AppModule } from '../app.module.js';
import { loadCatalog } from '../catalog/load-catalog.js';
import { shippedCatalogDirectory } from '../catalog/shipped-catalog.js';
import { type DatabaseAccess, databaseAccess } from '../database/database-access.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { startEmbeddedPostgres } from '../embedded-postgres/embedded-postgres.js';
import { hasCluster } from '../embedded-postgres/cluster.js';
import { neighboursPostgres } from '../embedded-postgres/neighbour.js';
import { guarded } from '../platform/guarded.js';
import { createLogger, type Logger, NestLogger } from '../platform/logging.js';
import { pendingMigrations } from '../database/migrate.js';
import { Sealing } from '../sealing/sealing.js';
import { type ServiceConfig, serviceConfig } from '../platform/service-config.js';
import { ESCAPED_EXIT_CODE, stopSignalsOfThisProcess } from '../platform/stop-signals.js';
import { namingTheDatabase } from '../database/refused-database.js';

const INTERRUPTED_EXIT_CODE = 130;

export interface OperatorContext {
  readonly app: INestApplicationContext;
  readonly database: Database;
  readonly config: ServiceConfig;
}

export interface OperatorContextOptions {
  /** The default is the environment, as the service reads it. */
  readonly config?: AppConfig;
  readonly clock?: Clock;
}

/** The message says what an operator must do before the command can run. */
export class CommandRefusedError extends Error {
  override readonly name = 'CommandRefusedError';
}

interface Reached {
  readonly connectionString: string;
  stop(): Promise<void>;
}

/**
 * Runs `work` on the database of the service: on `DATABASE_URL`, or on the embedded Postgres of `DATA_DIR`.
 * That one is started for the command when no service runs there, but it is never created.
 * @throws {ConfigFaultsError | CatalogFaultsError | CommandRefusedError | StartRefusedError} what an operator must mend
 */
export async function withOperatorContext<Result>(
  work: (context: OperatorContext) => Promise<Result>,
  { config = readAppConfig(), clock = new Clock() }: OperatorContextOptions = {},
): Promise<Result> {
  const service = serviceConfig(config);
  if (!service.embedded)
    return onDatabase(service, await databaseAccess(service, null), clock, work);
  const interrupted = new AbortController();
  const reaching = reachEmbedded(config, interrupted.signal);
  const stopListening = stoppingOnSignals(reaching, interrupted, loggerOf(config));
  try {
    const embedded = await reaching;
    const access = await databaseAccess(service, embedded);
    return await onDatabase(service, access, clock, work).finally(() => embedded.stop());
  } finally {
    stopListening();
  }
}

async function onDatabase<Result>(
  config: ServiceConfig,
  access: DatabaseAccess,
  clock: Clock,
  work: (context: OperatorContext) => Promise<Result>,
): Promise<Result> {
  const logger = loggerOf(config);
  const catalog = loadCatalog(config.catalogDir ?? shippedCatalogDirectory());
  const dataSource = dataSourceOptions(config);
  const app = await NestFactory.createApplicationContext(
    AppModule.forCommands({ config, dataSource, catalog, clock, logger }),
    { logger: new NestLogger(logger), abortOnError: false },
  );
  try {
    const database = app.get(Database);
    app.get(Sealing).useKey(access.keyEncryptionKey);
    await namingTheDatabase('DATABASE_URL', () => database.connect(access.url));
    await requireCurrentSchema(app.get(DataSource));
    return await work({ app, database, config });
  } finally {
    await app.close();
  }
}

/** Results go to stdout, so the log goes to stderr. */
function loggerOf({ logLevel }: Pick<AppConfig, 'logLevel'>): Logger {
  const level = logLevel === 'info' ? 'warn' : logLevel;
  return createLogger(level, { write: (line) => process.stderr.write(line) });
}

/** A command does not migrate, because running replicas may not know the new schema. */
async function requireCurrentSchema(dataSource: DataSource): Promise<void> {
  const pending = await pendingMigrations(dataSource);
  if (pending.length === 0) return;
  throw new CommandRefusedError(
    `the schema of the database is older than this program (${pending.length} migration(s), from ` +
      `${pending[0] ?? ''} on): start this version of the service once, which brings it up to date`,
  );
}

async function reachEmbedded(config: AppConfig, signal: AbortSignal): Promise<Reached> {
  const dataDir = resolve(config.dataDir);
  const neighbours = await neighboursPostgres(dataDir);
  if (neighbours !== null) {
    return { connectionString: neighbours, stop: () => Promise.resolve() };
  }
  // A new database would be empty, and the command would report that there are no keys or tokens.
  if (!(await hasCluster(dataDir))) {
    throw new CommandRefusedError(
      `there is no database in ${dataDir}: set DATA_DIR or DATABASE_URL as the service has it, ` +
        'or start the service once, which makes one',
    );
  }
  return startEmbeddedPostgres({ dataDir, log: () => undefined, signal });
}

/**
 * Stops the Postgres of this command after a signal or an error that escaped, even while it starts.
 * @returns a function that removes the listeners
 */
function stoppingOnSignals(
  reaching: Promise<Reached>,
  interrupted: AbortController,
  logger: Logger,
): () => void {
  const end = (exitCode: number) => {
    interrupted.abort();
    const stopped = reaching.then((embedded) => embedded.stop());
    stopped.catch(() => undefined).finally(() => process.exit(exitCode));
  };
  const stop = guarded(logger, 'signal', () => {
    end(INTERRUPTED_EXIT_CODE);
  });
  const escaped = guarded(logger, 'uncaughtException', (error: unknown) => {
    logger.fatal({ error }, 'an error escaped: the command ends');
    end(ESCAPED_EXIT_CODE);
  });
  process.on('uncaughtException', escaped);
  const signals = stopSignalsOfThisProcess();
  for (const signal of signals) process.on(signal, stop);
  return () => {
    process.off('uncaughtException', escaped);
    for (const signal of signals) process.off(signal, stop);
  };
}

import { randomBytes } from 'node:crypto';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import type { Pool, PoolConfig } from 'pg';
import { databaseAway } from './away.js';
import { type ClientOptions, DatabaseClient, LOOK } from './client.js';
import { databaseDeadlineMs } from './deadline.js';
import { DatabasePool } from './pool.js';
import { PreparedStatements } from './prepared-statements.js';
import { requireUsable } from './requirements.js';
import { retriedOnce } from './retry.js';
import { StatementOutcomes } from './statement-outcomes.js';
import { strictTypes } from './strict-types.js';
import type { DatabaseTrouble } from './trouble.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';

/**
 * Makes the server give up soon after its client. Otherwise the transaction of a frozen process would
 * keep its locks, and without the lock of the signing keys nobody can issue tokens. A statement that
 * waits for a lock would keep its connection. Set in each transaction, because a pooler accepts no such
 * option when a client connects.
 */
const GIVE_UP_TOO = `
  SELECT set_config('idle_in_transaction_session_timeout', $1, true),
         set_config('statement_timeout', $2, true)`;

/** What a statement runs on: the pool, or one connection with its transaction. */
export type Queryable = Pick<Pool, 'query'>;

/** Made and rolled back in one transaction. The name is random, so replicas do not wait for each other. */
const PROBE_TABLE = `write_probe_${randomBytes(6).toString('hex')}`;
/** So many rows that the table has to grow on the disk. */
const FILL = 'SELECT md5(n::text) FROM generate_series(1, 2000) AS n';

type PoolOptions = PoolConfig & ClientOptions & { readonly outcomes: StatementOutcomes };

type PoolCounts = Pick<Pool, 'totalCount' | 'idleCount' | 'waitingCount'>;
const NO_CONNECTIONS: PoolCounts = { totalCount: 0, idleCount: 0, waitingCount: 0 };

interface OpenPool {
  readonly url: string;
  readonly schema: string;
  readonly pool: Pool;
  readonly prepared: PreparedStatements;
}

/** A request that gets no connection has to fail with that reason before its own time is up. */
const SHARE_FOR_A_CONNECTION = 0.8;

/** The options of both pools: they give up a connection that does not answer in time. */
export function poolOptions(timeoutMs: number, outcomes = new StatementOutcomes()): PoolOptions {
  return {
    outcomes,
    connectionTimeoutMillis: Math.floor(SHARE_FOR_A_CONNECTION * databaseDeadlineMs(timeoutMs)),
    query_timeout: timeoutMs,
    keepAlive: true,
    types: strictTypes(),
  };
}

/** The admin side has a third of the connections, so that neither side starves the other. */
export function adminPoolSize(poolSize: number): number {
  return Math.max(1, Math.floor(poolSize / 3));
}

/**
 * The database handles: `pool` for the hand-written statements of the sync path, TypeORM's manager
 * for the admin side. Repositories take the handle as a parameter, so that a reader sees which
 * transaction a statement belongs to.
 */
@Injectable()
export class Database implements OnApplicationShutdown {
  private opened: OpenPool | null = null;
  /** The outcomes of the statements of both pools. */
  readonly outcomes: StatementOutcomes;
  private readonly timeoutMs: number;

  constructor(
    private readonly dataSource: DataSource,
    @Inject(SERVICE_CONFIG) private readonly config: ServiceConfig,
  ) {
    this.timeoutMs = config.databaseTimeoutMs;
    this.outcomes = outcomesOf(dataSource);
  }

  /** For hand-written statements. @throws {IssuerError} UNAVAILABLE before `connect` */
  get pool(): Pool {
    return this.openPool().pool;
  }

  /** Prepared statements of the sync path, on the same pool. @throws as `pool` does */
  get prepared(): PreparedStatements {
    return this.openPool().prepared;
  }

  /** The number of connections of `pool`; none before `connect`. */
  connections(): PoolCounts {
    return this.opened?.pool ?? NO_CONNECTIONS;
  }

  /** The number of connections of the admin side; none before `connect`. */
  adminConnections(): PoolCounts {
    const pool: unknown = Reflect.get(this.dataSource.driver, 'master');
    return pool instanceof DatabasePool ? pool : NO_CONNECTIONS;
  }

  /** Why a request got no answer in time. Those that waited for a connection have given up a little earlier. */
  whyLate(): Extract<DatabaseTrouble, 'pool_full' | 'slow'> {
    const pools = [this.connections(), this.adminConnections()];
    const isFull = pools.some(({ waitingCount }) => waitingCount > 0);
    return isFull || this.outcomes.worst()?.trouble === 'pool_full' ? 'pool_full' : 'slow';
  }

  /** TypeORM outside a transaction. @throws {IssuerError} UNAVAILABLE before `connect` */
  get manager(): EntityManager {
    if (!this.dataSource.isInitialized) throw databaseAway();
    return this.dataSource.manager;
  }

  /**
   * Runs `work` in one transaction. An error rolls everything back. When others were in the way (a deadlock),
   * or the connection broke or led to a demoted server, `work` runs a second time: it must change nothing
   * outside the database.
   */
  async transaction<Result>(work: (manager: EntityManager) => Promise<Result>): Promise<Result> {
    return retriedOnce(
      (progress) =>
        this.manager.transaction(async (manager) => {
          await manager.query(GIVE_UP_TOO, [String(this.timeoutMs), String(2 * this.timeoutMs)]);
          const result = await work(manager);
          progress.isCommitting = true;
          return result;
        }),
      this.timeoutMs / 2,
    );
  }

  /**
   * Connects; may be called again until it succeeds. Nothing reads or writes before, so no statement
   * meets a schema that is still being migrated.
   */
  async connect(url: string): Promise<void> {
    const schema = this.opened?.schema ?? (await this.schemaAt(url));
    if (!this.dataSource.isInitialized) {
      // The URL of the embedded Postgres is only known after its start.
      const extra = { ...(this.dataSource.options.extra as object | undefined), schema };
      this.dataSource.setOptions({ url, extra });
      await this.dataSource.initialize();
    }
    this.opened ??= this.poolOn(url, schema);
  }

  /**
   * Writes some rows and rolls them back, on a connection of its own whose outcome is not recorded.
   * @throws the reason why the database does not take them
   */
  async proveWritable(): Promise<void> {
    const { url, schema } = this.openPool();
    await this.aside({ url, schema }, this.timeoutMs, async (client) => {
      await client.query(`BEGIN; CREATE TABLE ${PROBE_TABLE} (filler text)`);
      await client.query(`INSERT INTO ${PROBE_TABLE} ${FILL}`);
      await client.query('ROLLBACK');
    });
  }

  /** Whether the database answers on a new connection, for when no connection of the pool is free. */
  async answersAside(withinMs: number): Promise<boolean> {
    const { url, schema } = this.openPool();
    const ask = this.aside({ url, schema }, withinMs, (client) => client.query(LOOK));
    return ask.then(
      () => true,
      () => false,
    );
  }

  async onApplicationShutdown(): Promise<void> {
    // TypeORM's module closes its own pool.
    await this.opened?.pool.end();
  }

  /** Runs `work` on a connection of its own, whose outcomes are not recorded. */
  private async aside<Result>(
    { url, schema }: { readonly url: string; readonly schema?: string },
    timeoutMs: number,
    work: (client: DatabaseClient) => Promise<Result>,
  ): Promise<Result> {
    const timeouts = { connectionTimeoutMillis: timeoutMs, query_timeout: timeoutMs };
    const where = { connectionString: url, ...(schema === undefined ? {} : { schema }) };
    const client = new DatabaseClient({ ...where, ...timeouts });
    try {
      await client.connect();
      return await work(client);
    } finally {
      // This also ends its transaction.
      void client.end().catch(() => undefined);
    }
  }

  /** Where the tables are. @throws {DatabaseClosedError} when the database is not as it has to be */
  private async schemaAt(url: string): Promise<string> {
    const { timeoutMs } = this;
    const wanted = { setting: 'DATABASE_URL', timeoutMs, migrates: false };
    return this.aside({ url }, timeoutMs, (client) => requireUsable(client, wanted));
  }

  private poolOn(url: string, schema: string): OpenPool {
    const options: PoolOptions = {
      ...poolOptions(this.timeoutMs, this.outcomes),
      connectionString: url,
      max: this.config.databasePoolSize - adminPoolSize(this.config.databasePoolSize),
      schema,
    };
    const pool = new DatabasePool(options);
    // The pool replaces an idle connection that breaks. Without a listener the error would end the process.
    pool.on('error', () => undefined);
    return { url, schema, pool, prepared: new PreparedStatements(pool) };
  }

  private openPool(): OpenPool {
    if (this.opened) return this.opened;
    throw databaseAway();
  }
}

/** TypeORM makes its clients itself, so the outcomes are passed in its options. */
function outcomesOf({ options }: DataSource): StatementOutcomes {
  const extra: unknown = Reflect.get(options, 'extra');
  const outcomes: unknown = Reflect.get(Object(extra) as object, 'outcomes');
  return outcomes instanceof StatementOutcomes ? outcomes : new StatementOutcomes();
}

import { randomBytes } from 'node:crypto';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { DataSource, type EntityManager } from 'typeorm';
import { Client, Pool, type PoolConfig, TypeOverrides } from 'pg';
import { databaseAway } from './away.js';
import { DatabaseClient } from './client.js';
import { PreparedStatements } from './prepared-statements.js';
import { StatementOutcomes } from './statement-outcomes.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';

/** Oid of `date`: kept as `YYYY-MM-DD`; `pg` would make local midnight of it. */
const DATE_OID = 1082;

const dateAsText = new TypeOverrides();
dateAsText.setTypeParser(DATE_OID, (text: string) => text);

/**
 * The server gives up soon after its client has. Otherwise a transaction whose process is frozen would
 * keep its locks, that of the signing keys too, without which nobody issues; and a statement that waits
 * for a lock would go on waiting, and keep its connection. Set in each transaction: a pooler takes no
 * such option on connecting.
 */
const GIVE_UP_TOO = `
  SELECT set_config('idle_in_transaction_session_timeout', $1, true),
         set_config('statement_timeout', $2, true)`;

/** What a statement may run on: the pool, or one connection with its transaction. */
export type Queryable = Pick<Pool, 'query'>;

/** Never kept: it is made and taken back in one transaction. Two replicas do not wait for one another. */
const PROBE_TABLE = `write_probe_${randomBytes(6).toString('hex')}`;
/** Rows enough that the table has to grow on the disk. */
const FILL = 'SELECT md5(n::text) FROM generate_series(1, 2000) AS n';

type PoolOptions = PoolConfig & { readonly outcomes: StatementOutcomes };

interface OpenPool {
  readonly url: string;
  readonly pool: Pool;
  readonly prepared: PreparedStatements;
}

/** Both pools answer within the same time and give up a connection that does not. */
export function poolOptions(timeoutMs: number, outcomes = new StatementOutcomes()): PoolOptions {
  return {
    Client: DatabaseClient,
    outcomes,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs,
    keepAlive: true,
  };
}

/** A third of the connections is kept for the admin side, so that neither starves the other. */
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
  /** What became of the statements of both pools. */
  readonly outcomes: StatementOutcomes;
  private readonly timeoutMs: number;

  constructor(
    private readonly dataSource: DataSource,
    @Inject(SERVICE_CONFIG) private readonly config: ServiceConfig,
  ) {
    this.timeoutMs = config.databaseTimeoutMs;
    this.outcomes = outcomesOf(dataSource);
  }

  /** For hand-written statements. @throws {IssuerError} UNAVAILABLE before the first contact. */
  get pool(): Pool {
    return this.openPool().pool;
  }

  /** The statements of the sync path, on the same pool. @throws as `pool` does */
  get prepared(): PreparedStatements {
    return this.openPool().prepared;
  }

  /** How many connections of `pool` there are; none before the first contact. */
  connections(): Pick<Pool, 'totalCount' | 'idleCount' | 'waitingCount'> {
    return this.opened?.pool ?? { totalCount: 0, idleCount: 0, waitingCount: 0 };
  }

  /** TypeORM outside a transaction. @throws {IssuerError} UNAVAILABLE before the first contact. */
  get manager(): EntityManager {
    if (!this.dataSource.isInitialized) throw databaseAway();
    return this.dataSource.manager;
  }

  /** Runs `work` in one transaction; whatever it throws rolls everything back. */
  async transaction<Result>(work: (manager: EntityManager) => Promise<Result>): Promise<Result> {
    return this.manager.transaction(async (manager) => {
      await manager.query(GIVE_UP_TOO, [String(this.timeoutMs), String(2 * this.timeoutMs)]);
      return work(manager);
    });
  }

  /**
   * Makes the first contact; may be called again until it succeeds. Nothing reads or writes before it,
   * so no statement meets a schema that is still being migrated.
   */
  async connect(url: string): Promise<void> {
    if (!this.dataSource.isInitialized) {
      // The embedded Postgres has no address before it has started.
      this.dataSource.setOptions({ url });
      await this.dataSource.initialize();
    }
    this.opened ??= this.poolOn(url);
  }

  /**
   * Writes some rows and takes them back, on a connection of its own. Nobody notes what comes of it.
   * @throws what keeps the database from taking them
   */
  async proveWritable(): Promise<void> {
    const timeouts = { connectionTimeoutMillis: this.timeoutMs, query_timeout: this.timeoutMs };
    const client = new Client({ connectionString: this.openPool().url, ...timeouts });
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query(`BEGIN; CREATE TABLE ${PROBE_TABLE} (filler text)`);
      await client.query(`INSERT INTO ${PROBE_TABLE} ${FILL}`);
      await client.query('ROLLBACK');
    } finally {
      // Its transaction ends with it.
      void client.end().catch(() => undefined);
    }
  }

  async onApplicationShutdown(): Promise<void> {
    // TypeORM's module ends its own.
    await this.opened?.pool.end();
  }

  private poolOn(url: string): OpenPool {
    const pool = new Pool({
      ...poolOptions(this.timeoutMs, this.outcomes),
      connectionString: url,
      max: this.config.databasePoolSize - adminPoolSize(this.config.databasePoolSize),
      types: dateAsText,
    });
    // An idle connection that breaks is replaced by the pool; without a listener it ends the process.
    pool.on('error', () => undefined);
    return { url, pool, prepared: new PreparedStatements(pool) };
  }

  private openPool(): OpenPool {
    if (this.opened) return this.opened;
    throw databaseAway();
  }
}

/** TypeORM makes its clients itself: what they note travels in its options. */
function outcomesOf({ options }: DataSource): StatementOutcomes {
  const extra: unknown = Reflect.get(options, 'extra');
  const outcomes: unknown = Reflect.get(Object(extra) as object, 'outcomes');
  return outcomes instanceof StatementOutcomes ? outcomes : new StatementOutcomes();
}

import { Pool, type PoolClient, type PoolConfig } from 'pg';
import { troubleOf } from './away.js';
import { DatabaseClient } from './client.js';
import { retriedOnce } from './retry.js';
import { CHECK_OUT, StatementOutcomes } from './statement-outcomes.js';

const DEFAULT_TIMEOUT_MS = 5000;

export type DatabasePoolConfig = PoolConfig & { readonly outcomes?: StatementOutcomes };

type Checkout = (
  error: Error | undefined,
  client: PoolClient | undefined,
  release: PoolClient['release'],
) => void;
type Query = (...args: unknown[]) => unknown;

/**
 * A pool that hands out no connection whose server may be gone or demoted. A statement that others or a
 * demoted server made fail is run once more. For TypeORM this is the class of its pool, too.
 */
export class DatabasePool extends Pool {
  constructor(config: DatabasePoolConfig = {}) {
    super({ ...config, Client: DatabaseClient });
    const outcomes = config.outcomes ?? new StatementOutcomes();
    const connect: () => Promise<PoolClient> = this.connect.bind(this);
    const checkOut = async (): Promise<PoolClient> => {
      try {
        for (;;) {
          const client = await connect();
          if (!(client instanceof DatabaseClient) || (await client.isUsable())) return client;
          client.release(true);
        }
      } catch (error) {
        if (troubleOf(error) === 'pool_full') outcomes.failed(CHECK_OUT, this.full(error), true);
        throw error;
      }
    };
    Object.defineProperty(this, 'connect', { value: byCallbackToo(checkOut) });
    const query = this.query.bind(this) as Query;
    const withinMs = (config.query_timeout ?? DEFAULT_TIMEOUT_MS) / 2;
    const value = retrying(query, withinMs);
    Object.defineProperty(this, 'query', { value, configurable: true, writable: true });
  }

  private full(cause: unknown): Error {
    const { max } = this.options;
    const waiting = `${this.waitingCount} more requests wait for one`;
    return new Error(`all ${max} connections of a pool are in use, and ${waiting}`, { cause });
  }
}

function byCallbackToo(checkOut: () => Promise<PoolClient>) {
  return (callback?: Checkout): Promise<PoolClient> | undefined => {
    const client = checkOut();
    if (!callback) return client;
    client.then(
      (one) => {
        callback(undefined, one, one.release.bind(one));
      },
      (error: unknown) => {
        callback(error as Error, undefined, () => undefined);
      },
    );
    return undefined;
  };
}

/** A statement outside a transaction is committed while it runs, so it may have been when nothing answers. */
function retrying(query: Query, withinMs: number): Query {
  return (...args) => {
    if (typeof args.at(-1) === 'function') return query(...args);
    return retriedOnce((progress) => {
      progress.isCommitting = true;
      return Promise.resolve(query(...args));
    }, withinMs);
  };
}

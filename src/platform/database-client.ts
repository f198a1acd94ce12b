import { Client } from 'pg';

const LATE = 'Query read timeout';

/**
 * A connection that is given up once a statement got no answer in time. `pg` by itself keeps it, and
 * every later statement would wait behind the stuck one.
 */
export class DatabaseClient extends Client {
  constructor(...parameters: ConstructorParameters<typeof Client>) {
    super(...parameters);
    // Whoever holds it is told by the next statement; without a listener the process would end.
    this.on('error', () => undefined);
    const query = this.query.bind(this) as (...args: unknown[]) => unknown;
    Object.defineProperty(this, 'query', {
      value: (...args: unknown[]) => this.giveUpWhenLate(query(...args)),
    });
  }

  private giveUpWhenLate(result: unknown): unknown {
    if (!(result instanceof Promise)) return result;
    return result.catch((error: unknown) => {
      // With a statement still under way `end` destroys the socket, and the pool drops the client.
      if (error instanceof Error && error.message === LATE) void this.end().catch(() => undefined);
      throw error;
    });
  }
}

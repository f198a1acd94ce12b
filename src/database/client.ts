import { callbackify } from 'node:util';
import { Client, type ClientConfig } from 'pg';
import { pinSettings } from './session-settings.js';
import { CONNECT, StatementOutcomes } from './statement-outcomes.js';

const LATE = 'Query read timeout';

type Call = (...args: unknown[]) => unknown;
type Settle = (error: unknown) => void;

export interface ClientOptions {
  readonly outcomes?: StatementOutcomes;
  /** The schema of this service's tables; undefined before it is known. */
  readonly schema?: string;
}

/** What the server shows as the name of our sessions, unless the URL names them otherwise. */
export const SESSION_NAME = 'cloud-connector-issuer';

/**
 * A connection that is closed when a statement gets no answer in time. `pg` would keep it, and every
 * later statement would wait behind the stuck one. The outcome of each statement is recorded. What is set
 * for the role or the database does not apply to it (session-settings.ts).
 */
export class DatabaseClient extends Client {
  private readonly outcomes: StatementOutcomes;

  constructor(options: ClientConfig & ClientOptions = {}) {
    super({ fallback_application_name: SESSION_NAME, ...options });
    this.outcomes = options.outcomes ?? new StatementOutcomes();
    // The next statement fails with the same error. Without a listener the process would end.
    this.on('error', () => undefined);
    const query = this.query.bind(this) as Call;
    Object.defineProperty(this, 'query', {
      value: (...args: unknown[]) =>
        this.giveUpWhenLate(watched(query, args, this.noting(args[0]))),
    });
    const connect = this.opening(this.connect.bind(this), options.schema);
    Object.defineProperty(this, 'connect', {
      value: (...args: unknown[]) => watched(connect, args, this.notingAs(CONNECT, false)),
    });
  }

  /** A session is open once its settings are pinned. Takes a callback, as the pool gives one, or none. */
  private opening(connect: () => Promise<unknown>, schema: string | undefined): Call {
    const open = async () => {
      await connect();
      try {
        await pinSettings(this, schema ?? null);
      } catch (error) {
        void this.end().catch(() => undefined);
        throw error;
      }
      return this;
    };
    const openThen = callbackify(open) as Call;
    return (...args) => (typeof args[0] === 'function' ? openThen(...args) : open());
  }

  private noting(statement: unknown): Settle {
    if (typeof statement === 'string') return this.notingAs(statement, false);
    const { name, text } = Object(statement) as {
      readonly name?: unknown;
      readonly text?: unknown;
    };
    // Named statements are those of the syncs. A query without a text is a stream of rows.
    return typeof text === 'string' ? this.notingAs(text, name !== undefined) : () => undefined;
  }

  private notingAs(statement: string, isShort: boolean): Settle {
    const start = performance.now();
    return (error) => {
      if (error) this.outcomes.failed(statement, error, isShort);
      else this.outcomes.succeeded(statement, performance.now() - start, isShort);
    };
  }

  private giveUpWhenLate(result: unknown): unknown {
    if (!(result instanceof Promise)) return result;
    return result.catch((error: unknown) => {
      // While a statement is running, `end` destroys the socket, and the pool drops the client.
      if (error instanceof Error && error.message === LATE) void this.end().catch(() => undefined);
      throw error;
    });
  }
}

/** Calls `call`, and then `settle` with its error or null, for callbacks and promises alike. */
function watched(call: Call, args: readonly unknown[], settle: Settle): unknown {
  const callback = args.at(-1);
  if (typeof callback === 'function') {
    return call(...args.slice(0, -1), (error: unknown, ...rest: unknown[]) => {
      settle(error);
      (callback as Call)(error, ...rest);
    });
  }
  const result = call(...args);
  if (!(result instanceof Promise)) return result;
  return result.then(
    (value: unknown) => {
      settle(null);
      return value;
    },
    (error: unknown) => {
      settle(error);
      throw error;
    },
  );
}

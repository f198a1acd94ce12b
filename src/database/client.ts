import { callbackify } from 'node:util';
import { Client, type ClientConfig, defaults } from 'pg';
import { isRefusal, needsNewConnections } from './away.js';
import { pinSettings } from './session-settings.js';
import { CONNECT, StatementOutcomes } from './statement-outcomes.js';

// In the time zone of the process, `pg` would write the seconds wrong of old instants: offsets of local mean time, such
// as +05:41:16, have seconds, which it leaves out.
defaults.parseInputDatesAsUTC = true;

const LATE = 'Query read timeout';
/** A connection that was used so recently is taken to be good. */
const FRESH_MS = 500;
const DEFAULT_TIMEOUT_MS = 5000;

/** Asks whether the server takes writes: one that was demoted by a failover still answers. */
export const LOOK = `SELECT current_setting('transaction_read_only') = 'on' AS "readOnly"`;

type Call = (...args: unknown[]) => unknown;
type Settle = (error: unknown) => void;

export interface ClientOptions {
  readonly outcomes?: StatementOutcomes;
  /** The schema of this service's tables; undefined before it is known. */
  readonly schema?: string;
}

/** What the server shows as the name of our sessions, unless the URL names them otherwise. */
const SESSION_NAME = 'cloud-connector-issuer';

/**
 * A connection that is closed when a statement gets no answer in time. `pg` would keep it, and every
 * later statement would wait behind the stuck one. The outcome of each statement is recorded. What is set
 * for the role or the database does not apply to it (session-settings.ts).
 */
export class DatabaseClient extends Client {
  private readonly outcomes: StatementOutcomes;
  private readonly openedAtMs = performance.now();
  private readonly timeoutMs: number;
  private answeredAtMs = this.openedAtMs;
  private isGivenUp = false;
  private hasLostServer = false;

  constructor(options: ClientConfig & ClientOptions = {}) {
    super({ fallback_application_name: SESSION_NAME, ...options });
    this.outcomes = options.outcomes ?? new StatementOutcomes();
    this.timeoutMs = options.query_timeout ?? DEFAULT_TIMEOUT_MS;
    // The next statement fails with the same error. Without a listener the process would end.
    this.on('error', () => undefined);
    const query = this.query.bind(this) as Call;
    Object.defineProperty(this, 'query', {
      value: (...args: unknown[]) =>
        this.giveUpWhenLate(watched(query, args, this.noting(args[0]))),
    });
    const connect = this.opening(this.connect.bind(this), options.schema);
    Object.defineProperty(this, 'connect', {
      value: (...args: unknown[]) => watched(connect, args, this.notingConnect()),
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

  /**
   * Whether the connection can be used again. One that was idle for a while is asked first: its server may
   * be gone, or take no writes since a failover. A new connection then shows whether another one does.
   */
  async isUsable(): Promise<boolean> {
    if (this.hasLostServer || this.outcomes.serverChange.isSince(this.openedAtMs)) return false;
    if (performance.now() - this.answeredAtMs <= FRESH_MS) return true;
    // Half of the time is left for another connection.
    const look = { text: LOOK, query_timeout: this.timeoutMs / 2 } as { readonly text: string };
    const isGood = await this.query<{ readOnly: boolean }>(look).then(
      ({ rows }) => rows[0]?.readOnly === false,
      () => false,
    );
    if (!isGood) this.outcomes.serverChange.found(this.openedAtMs);
    return isGood;
  }

  /** Postgres says to an idle connection why it ends it. No statement waits for that. */
  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event === 'error') this.noteServer(args[0]);
    return super.emit(event, ...args);
  }

  private noteServer(error: unknown): void {
    if (this.isGivenUp || !needsNewConnections(error)) return;
    this.hasLostServer = true;
    this.outcomes.serverChange.found(this.openedAtMs);
  }

  private notingConnect(): Settle {
    const note = this.notingAs(CONNECT, false);
    return (error) => {
      note(error);
      // Not for a network or a server that is only slow: it may need the connections that it has.
      if (isRefusal(error)) this.outcomes.serverChange.foundByNewcomer();
    };
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
      const now = performance.now();
      this.answeredAtMs = now;
      if (error) {
        this.outcomes.failed(statement, error, isShort);
        this.noteServer(error);
      } else this.outcomes.succeeded(statement, now - start, isShort);
    };
  }

  private giveUpWhenLate(result: unknown): unknown {
    if (!(result instanceof Promise)) return result;
    return result.catch((error: unknown) => {
      if (error instanceof Error && error.message === LATE) {
        this.isGivenUp = true;
        // While a statement is running, `end` destroys the socket, and the pool drops the client.
        void this.end().catch(() => undefined);
      }
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

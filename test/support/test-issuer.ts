import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readAppConfig } from '../../config/app-config.js';
import type { Clock } from '../../src/platform/clock.js';
import { freePort } from '../../src/platform/free-port.js';
import { createLogger } from '../../src/platform/logging.js';
import { type RunningIssuer, startIssuer } from '../../src/start-issuer.js';
import { createTestDatabase, type TestDatabase } from './test-database.js';

export interface TestIssuer {
  /** The issuer URL, which is also where it listens. */
  readonly url: string;
  readonly adminToken: string;
  readonly keyEncryptionKey: Buffer;
  readonly database: TestDatabase;
  readonly dataDir: string;
  /** Every log line so far. */
  readonly logs: readonly string[];
  readonly running: RunningIssuer;
  /** Calls the admin API below /api/v1/ with the admin's token. */
  admin(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Response>;
  stop(): Promise<void>;
}

export interface TestIssuerOptions {
  readonly clock?: Clock;
  /** Variables beside those that a test needs to run at all. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Another replica on the same database; it is not dropped then. */
  readonly sharing?: TestIssuer;
  /** An existing database, such as one with an older schema. It is dropped with the issuer. */
  readonly database?: TestDatabase;
  /** How long a stop goes on answering. Nobody calls on here, unless a test says so. */
  readonly lingerMs?: number;
  /** Gets each log line, also of a start that does not end. */
  readonly onLog?: (line: string) => void;
}

/** The whole service in this process, on a database of its own, listening on a free port. */
export async function startTestIssuer(options: TestIssuerOptions = {}): Promise<TestIssuer> {
  const database = options.sharing?.database ?? options.database ?? (await createTestDatabase());
  const dataDir = await mkdtemp(join(tmpdir(), 'issuer-'));
  const url = `http://127.0.0.1:${await freePort()}`;
  const environment = issuerEnvironment(url, dataDir, database, options);
  const logs: string[] = [];
  const write = (line: string) => {
    logs.push(line);
    options.onLog?.(line);
  };
  const running = await startIssuer(readAppConfig(environment), {
    logger: createLogger('debug', { write }),
    lingerMs: options.lingerMs ?? 0,
    ...(options.clock ? { clock: options.clock } : {}),
  });
  const adminToken = environment.BOOTSTRAP_ADMIN_TOKEN;
  return {
    url,
    adminToken,
    keyEncryptionKey: Buffer.from(environment.KEY_ENCRYPTION_KEY, 'base64'),
    database,
    dataDir,
    logs,
    running,
    admin: (method, path, body, headers) =>
      fetch(`${url}/api/v1/${path}`, {
        method,
        headers: {
          authorization: `Bearer ${adminToken}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    stop: async () => {
      await running.close();
      if (!options.sharing) await database.drop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

function issuerEnvironment(
  url: string,
  dataDir: string,
  database: TestDatabase,
  { sharing, environment }: TestIssuerOptions,
) {
  const keyEncryptionKey = sharing?.keyEncryptionKey ?? randomBytes(32);
  return {
    PORT: new URL(url).port,
    ISSUER_URL: url,
    DATA_DIR: dataDir,
    DATABASE_URL: database.url,
    KEY_ENCRYPTION_KEY: keyEncryptionKey.toString('base64'),
    BOOTSTRAP_ADMIN_TOKEN: sharing?.adminToken ?? randomBytes(32).toString('base64url'),
    ...environment,
  };
}

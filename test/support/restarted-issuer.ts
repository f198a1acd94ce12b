import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAppConfig } from '../../config/app-config.js';
import { freePort } from '../../src/platform/free-port.js';
import { createLogger } from '../../src/platform/logging.js';
import { type RunningIssuer, startIssuer } from '../../src/start-issuer.js';

/** One service that is stopped and started again in one data directory, in this process. */
export interface RestartedIssuer {
  readonly url: string;
  readonly adminToken: string;
  readonly logs: string[];
  readonly environment: Record<string, string>;
  start(): Promise<RunningIssuer>;
  stop(): Promise<void>;
  keySet(): Promise<{ readonly status: number; readonly text: string }>;
  /** Null while nothing is in the way. */
  obstacle(): Promise<string | null>;
  readiness(): Promise<number>;
  /** Resolves once the readiness is 200. */
  ready(): Promise<void>;
  admin(method: string, path: string, body?: object): Promise<Response>;
}

export async function restartedIssuer(
  dataDir: string,
  databaseUrl: string | null,
): Promise<RestartedIssuer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const adminToken = randomBytes(32).toString('base64url');
  const environment: Record<string, string> = {
    PORT: String(port),
    ISSUER_URL: url,
    DATA_DIR: dataDir,
    KEY_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
    BOOTSTRAP_ADMIN_TOKEN: adminToken,
    ...(databaseUrl === null ? {} : { DATABASE_URL: databaseUrl }),
  };
  const logs: string[] = [];
  let running: RunningIssuer | null = null;
  const readiness = () => fetch(`${url}/-/readiness`);
  return {
    url,
    adminToken,
    logs,
    environment,
    start: async () => {
      const logger = createLogger('info', { write: (line) => logs.push(line) });
      running = await startIssuer(readAppConfig(environment), {
        logger,
        lingerMs: 0,
      });
      return running;
    },
    stop: async () => {
      await running?.close();
      running = null;
    },
    keySet: async () => {
      const answer = await fetch(`${url}/oauth/discovery/keys`);
      return { status: answer.status, text: await answer.text() };
    },
    obstacle: async () => {
      const report = (await (await readiness()).json()) as { start: { obstacle: string } | null };
      return report.start?.obstacle ?? null;
    },
    readiness: async () => (await readiness()).status,
    ready: async () => {
      while ((await readiness()).status !== 200) await sleep(50);
    },
    admin: (method, path, body) =>
      fetch(`${url}/api/v1/${path}`, {
        method,
        headers: {
          authorization: `Bearer ${adminToken}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
  };
}

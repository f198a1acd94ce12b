import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parse } from 'yaml';
import {
  buildIssuer,
  newDataDir,
  runIssuer,
  startChildIssuer,
  type ChildIssuer,
} from '../support/child-issuer.js';
import { someOf } from '../support/proofs.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const ROOT = resolve(__dirname, '../..');
const NODE_OPTIONS = `--import=${pathToFileURL(join(ROOT, 'test', 'support', 'escape.mjs')).href}`;
const EXIT_CODE = 70;
const POSTMASTER_PID = join('postgres', 'postmaster.pid');
const KEYS = '/oauth/discovery/keys';

let database: TestDatabase;
beforeAll(buildIssuer);
beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.drop());

describe('an error that no guard has caught', () => {
  const kinds = [
    ['throws', 'escaped from a timer', 'uncaughtException'],
    ['rejects', 'escaped from a promise', 'unhandledRejection'],
  ] as const;

  it.each(someOf(kinds))(
    'ends the process in order when it %s',
    async (ESCAPE, message, origin) => {
      const issuer = await startChildIssuer(database.url, { NODE_OPTIONS, ESCAPE });
      await issuer.listening;
      const asked = askUntilTheLast(issuer);
      await sleep(100);
      issuer.child.kill('SIGUSR2');

      await expect(issuer.ended).resolves.toBe(EXIT_CODE);
      const answers = await asked;
      expect(answers.filter((status) => status !== 200)).toEqual([]);
      expect(answers.length).toBeGreaterThan(1);
      expect(fatalLines(issuer)).toMatchObject([{ origin, error: { message } }]);
      expect(issuer.output.stdout).toContain('"msg":"stopped"');
      expect(issuer.output.stderr).toBe('');
      await issuer.remove();
    },
  );

  it('does not start a second stop when another error escapes during the stop', async () => {
    const issuer = await startChildIssuer(database.url, {
      NODE_OPTIONS,
      ...{ ESCAPE: 'throws', ESCAPE_AGAIN_MS: '50' },
    });
    await issuer.listening;
    const asked = askUntilTheLast(issuer);
    issuer.child.kill('SIGUSR2');

    await expect(issuer.ended).resolves.toBe(EXIT_CODE);
    expect((await asked).filter((status) => status !== 200)).toEqual([]);
    expect(fatalLines(issuer).length).toBeGreaterThan(2);
    expect(issuer.output.stdout.match(/answering what is under way/g)).toHaveLength(1);
    expect(issuer.output.stdout).toContain('"msg":"stopped"');
    await issuer.remove();
  });

  it('leaves no Postgres behind, neither of the service nor of a command, and the next start is normal', async () => {
    const dataDir = await newDataDir();
    const first = await startChildIssuer(null, {
      ...{ NODE_OPTIONS, ESCAPE: 'throws', DATA_DIR: dataDir },
      KEY_ENCRYPTION_KEY: '',
      BOOTSTRAP_ADMIN_TOKEN: '',
    });
    await first.listening;
    const kids = await kidsOf(first.url);
    first.child.kill('SIGUSR2');
    await expect(first.ended).resolves.toBe(EXIT_CODE);

    await expect(exitCodeOfCommand(first)).resolves.toBe(EXIT_CODE);
    expect(existsSync(join(dataDir, POSTMASTER_PID))).toBe(false);

    const second = runIssuer({ ...first.environment, NODE_OPTIONS: '' });
    await second.listening;
    expect(second.output.stdout).not.toContain('an earlier process left behind');
    expect(await kidsOf(first.url)).toEqual(kids);
    second.child.kill('SIGTERM');
    await expect(second.ended).resolves.toBe(0);
    await first.remove();
  }, 60_000);

  it('also ends a start that is under way', async () => {
    const issuer = await startChildIssuer('postgres://nobody@127.0.0.1:1/none', {
      ...{ NODE_OPTIONS, ESCAPE: 'rejects' },
    });
    while (!issuer.output.stdout.includes('the database is away')) await sleep(20);
    issuer.child.kill('SIGUSR2');
    await expect(issuer.ended).resolves.toBe(EXIT_CODE);
    expect(issuer.output.stdout).toContain('stopped before it had started');
    await issuer.remove();
  });

  it('is followed by a restart under docker-compose.yml', () => {
    const compose = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')) as {
      readonly services: Readonly<Record<string, { readonly restart?: string }>>;
    };
    for (const service of Object.values(compose.services)) {
      expect(service.restart).toBe('unless-stopped');
    }
  });

  it('is followed by a start that waits for no database, under docker-compose.yml and in the image', () => {
    const compose = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8')) as {
      readonly services: { readonly issuer: { readonly depends_on: unknown } };
    };
    const dependsOn = { postgres: { condition: 'service_started' } };
    expect(compose.services.issuer.depends_on).toEqual(dependsOn);
    const [, check] =
      /^HEALTHCHECK(.*\n.*)/m.exec(readFileSync(join(ROOT, 'Dockerfile'), 'utf8')) ?? [];
    expect(check).toContain('/-/liveness');
    expect(check).not.toContain('/-/readiness');
  });
});

/** Asks for the keys again and again on one connection. @returns the statuses; 0 for no answer */
async function askUntilTheLast({ url }: ChildIssuer): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const statuses: number[] = [];
  for (let isLast = false; !isLast;) {
    isLast = await new Promise((done) => {
      const sent = get(url + KEYS, { agent }, (response) => {
        statuses.push(response.statusCode ?? 0);
        response.resume().on('end', () => {
          done(response.headers.connection === 'close');
        });
      });
      sent.on('error', () => {
        statuses.push(0);
        done(true);
      });
    });
    await sleep(10);
  }
  agent.destroy();
  return statuses;
}

/** An error escapes from `npm run keys -- list`, once it has started the embedded Postgres. */
async function exitCodeOfCommand({ dataDir, environment }: ChildIssuer): Promise<unknown> {
  const command = spawn(process.execPath, [join(ROOT, 'dist/src/cli/keys.js'), 'list'], {
    env: environment,
    stdio: 'ignore',
  });
  const ended = once(command, 'exit');
  while (!existsSync(join(dataDir, POSTMASTER_PID))) await sleep(10);
  command.kill('SIGUSR2');
  const [code] = (await ended) as [number | null];
  return code;
}

function fatalLines({ output }: ChildIssuer): unknown[] {
  const lines = output.stdout.split('\n').filter((line) => line.includes('"level":"fatal"'));
  return lines.map((line) => JSON.parse(line) as unknown);
}

async function kidsOf(url: string): Promise<string[]> {
  const { keys } = (await (await fetch(url + KEYS)).json()) as { keys: { kid: string }[] };
  return keys.map(({ kid }) => kid).sort();
}

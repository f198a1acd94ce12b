import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../src/platform/free-port.js';
import { buildPackage } from '../support/build-package.js';
import { buildIssuer, startChildIssuer, type ChildIssuer } from '../support/child-issuer.js';
import { listeningPortsOf } from '../support/listening-ports.js';
import { someOf } from '../support/proofs.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';
import { DatabaseLink } from './database-link.js';

const ROOT = resolve(__dirname, '../..');
const MAIN = join(ROOT, 'dist/src/main.js');
const KEYS = '/oauth/discovery/keys';
/** Bit of SIGUSR1 in the masks of `/proc/<pid>/status`. */
const SIGUSR1 = 1n << 9n;
const LONGER_THAN_AN_INSPECTOR_TAKES_MS = 500;

let database: TestDatabase;
let folder: string;
const secrets = {
  KEY_ENCRYPTION_KEY: Buffer.alloc(32, 1).toString('base64'),
  BOOTSTRAP_ADMIN_TOKEN: 'a-bootstrap-token-of-32-letters!',
};
const started: ChildProcess[] = [];
beforeAll(async () => {
  await buildIssuer();
  database = await createTestDatabase();
  folder = await mkdtemp(join(tmpdir(), 'signals-'));
});
afterAll(async () => {
  for (const child of started) child.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
  await database.drop();
});

async function until(done: () => boolean | Promise<boolean>): Promise<void> {
  const start = performance.now();
  while (!(await done())) {
    if (performance.now() - start > 20_000) throw new Error('this takes too long');
    await sleep(10);
  }
}

/** Sends SIGUSR1 from the first moment at which Node takes it, again and again for a while. */
async function sendFromTheFirstMoment(child: ChildProcess, duringMs: number): Promise<void> {
  const { pid } = child;
  if (pid === undefined) throw new Error('it did not start');
  await until(() => {
    const caught = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return caught !== null && (BigInt(`0x${caught[1] ?? '0'}`) & SIGUSR1) !== 0n;
  });
  for (const end = performance.now() + duringMs; performance.now() < end;) {
    child.kill('SIGUSR1');
    await sleep(5);
  }
}

describe('a service without a terminal', () => {
  let issuer: ChildIssuer;
  beforeAll(async () => {
    issuer = await startChildIssuer(database.url, secrets);
    await sendFromTheFirstMoment(issuer.child, 300);
    await issuer.listening;
  });
  afterAll(() => issuer.remove());
  const answers = async () => (await fetch(issuer.url + KEYS)).status;

  it('opens no inspector at SIGUSR1, however early that comes', async () => {
    issuer.child.kill('SIGUSR1');
    await sleep(LONGER_THAN_AN_INSPECTOR_TAKES_MS);

    expect(listeningPortsOf(issuer.child.pid ?? 0)).toEqual([Number(new URL(issuer.url).port)]);
    expect(await answers()).toBe(200);
  });

  it('goes on at SIGHUP, and says why', async () => {
    issuer.child.kill('SIGHUP');
    await until(() => issuer.output.stdout.includes('SIGHUP: ignored'));

    expect(await answers()).toBe(200);
    expect(issuer.child.exitCode).toBeNull();
  });
});

describe('every other process of ours that opens sealed values', () => {
  it('opens no inspector at SIGUSR1 either: a command', async () => {
    const link = await new DatabaseLink(database.url).open();
    link.silence();
    const child = run(process.execPath, [join(ROOT, 'dist/src/cli/keys.js'), 'list'], {
      DATABASE_URL: link.url,
      ...secrets,
    });
    await sendFromTheFirstMoment(child, LONGER_THAN_AN_INSPECTOR_TAKES_MS);

    // An inspector that an early signal opens is closed again. One that a later signal opens would stay open.
    await until(() => listeningPortsOf(child.pid ?? 0).length === 0);
    await sleep(LONGER_THAN_AN_INSPECTOR_TAKES_MS);
    expect(listeningPortsOf(child.pid ?? 0)).toEqual([]);
    child.kill('SIGKILL');
    link.close();
  });

  it('opens no inspector at SIGUSR1 either: the instance client', async () => {
    await buildPackage('cloud-connector-instance');
    await writeFile(join(folder, 'license-key'), 'a-license-key\n', { mode: 0o600 });
    const files = ['--license-key-file', 'license-key', '--store-key-file', 'store-key'];
    const url = ['--url', `http://127.0.0.1:${await freePort()}`];
    const bin = join(ROOT, 'packages/cloud-connector-instance/bin/cloud-connector-instance.cjs');
    const child = run(process.execPath, [bin, ...url, ...files], {});
    await sendFromTheFirstMoment(child, LONGER_THAN_AN_INSPECTOR_TAKES_MS);
    child.kill('SIGHUP');
    await sleep(LONGER_THAN_AN_INSPECTOR_TAKES_MS);

    expect(listeningPortsOf(child.pid ?? 0)).toEqual([]);
    expect(child.exitCode ?? child.signalCode).toBeNull();
    child.kill('SIGKILL');
  });

  it('takes the signal before it loads anything else', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    const compiled = Object.values(scripts).flatMap(
      (script) => script.match(/dist\/\S+\.js/g) ?? [],
    );
    const entries = [...new Set(compiled)].filter((file) => !file.startsWith('dist/main'));
    expect(entries).toContain('dist/src/main.js');
    // None of them asks for an inspector either, or for a copy of the memory at another signal.
    const commands = [...Object.values(scripts), readFileSync(join(ROOT, 'Dockerfile'), 'utf8')];
    expect(commands.join()).not.toMatch(/--(inspect|heapsnapshot|report|abort-on-uncaught)/);
    for (const entry of entries) {
      const source = join(ROOT, entry.replace(/^dist\//, '').replace(/\.js$/, '.ts'));
      const [first] = readFileSync(source, 'utf8').split('\n');
      expect([entry, first]).toEqual([
        entry,
        expect.stringMatching(/^import '.*take-signals\.js';$/),
      ]);
    }
  });
});

describe('a service that was started in a terminal', () => {
  it('stops in order when the terminal is closed', async () => {
    const { terminal, log, url } = await startInTerminal((command) => `exec ${command}`);
    expect((await fetch(url + KEYS)).status).toBe(200);
    terminal.kill('SIGKILL');

    await until(async () => (await log()).includes('"msg":"stopped"'));
    expect(await log()).toContain('"msg":"SIGHUP: answering what is under way, then stopping"');
  });

  it.each(
    someOf([
      { how: 'setsid', line: (command: string) => `setsid ${command} & echo $! > pid; sleep 60` },
      { how: 'nohup', line: (command: string) => `nohup ${command} & echo $! > pid; sleep 60` },
    ]),
  )('outlives the terminal when it was started with $how', async ({ line }) => {
    const { terminal, log, url } = await startInTerminal(line);
    terminal.kill('SIGKILL');
    await sleep(LONGER_THAN_AN_INSPECTOR_TAKES_MS);

    expect((await fetch(url + KEYS)).status).toBe(200);
    const pid = Number(await readFile(join(folder, 'pid'), 'utf8'));
    process.kill(pid, 'SIGHUP');
    await until(async () => (await log()).includes('SIGHUP: ignored'));
    expect((await fetch(url + KEYS)).status).toBe(200);
    process.kill(pid, 'SIGTERM');
    await until(async () => (await log()).includes('"msg":"stopped"'));
  });
});

/** @param line makes the command line of the shell from the command of the service */
async function startInTerminal(line: (command: string) => string) {
  const port = String(await freePort());
  const logFile = join(folder, `log-${port}`);
  const command = `'${process.execPath}' '${MAIN}' > '${logFile}'`;
  const terminal = run('script', ['-qfc', line(command), '/dev/null'], {
    PATH: process.env.PATH ?? '',
    SHELL: '/bin/sh',
    PORT: port,
    DATA_DIR: folder,
    DATABASE_URL: database.url,
    ...secrets,
  });
  const log = () => readFile(logFile, 'utf8').catch(() => '');
  await until(async () => (await log()).includes('"msg":"listening on '));
  return { terminal, log, url: `http://127.0.0.1:${port}` };
}

function run(command: string, args: readonly string[], env: Record<string, string>): ChildProcess {
  const child = spawn(command, args, { cwd: folder, env, stdio: ['ignore', 'ignore', 'ignore'] });
  started.push(child);
  return child;
}

import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BackendReport } from '../../packages/cloud-connector-mock-issuer/src/index.js';
import { HandMadeBackend } from '../support/hand-made-backend.js';

const PACKAGE = join(__dirname, '../../packages/cloud-connector-mock-issuer');
const BIN = join(PACKAGE, 'bin/cloud-connector-mock-issuer.cjs');
/** What the bin runs when nothing needs to be compiled. */
const COMPILED = join(PACKAGE, 'dist/cli/main.js');

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(...args: readonly string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [COMPILED, ...args], (_, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

describe('cloud-connector-mock-issuer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mock-issuer-'));
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  beforeAll(() => {
    expect(execFileSync(BIN, ['--help']).toString()).toContain('verify-backend --url URL');
  });

  const serving = async (...args: readonly string[]) => {
    const child = spawn(process.execPath, [COMPILED, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string];
    const issuer = /Mock issuer (\S+),/.exec(line)?.[1] ?? line;
    const stop = async () => {
      child.kill('SIGTERM');
      return ((await once(child, 'exit')) as [number])[0];
    };
    return { issuer, stop };
  };
  const keySet = async (issuer: string) =>
    (await fetch(`${issuer}/oauth/discovery/keys`)).json() as Promise<{ keys: unknown[] }>;

  it('serves until it is stopped, and the next run has the same keys', async () => {
    const keysFile = join(folder, 'served.json');
    const args = ['--port', '0', '--keys-file', keysFile];
    const first = await serving(...args);
    const { keys } = await keySet(first.issuer);
    expect(keys).toHaveLength(3);
    expect(await first.stop()).toBe(0);
    expect(statSync(keysFile).mode & 0o777).toBe(0o600);
    const second = await serving(...args);
    expect(await keySet(second.issuer)).toEqual({ keys });
    expect(await second.stop()).toBe(0);
  });

  it('shows by its exit code whether a backend deviates, and in a table how', async () => {
    const port = await freePort();
    const backend = new HandMadeBackend(() => new Date(), `http://localhost:${port}`);
    const url = await backend.start();
    // The backend never fetches the keys again.
    const keysFile = join(folder, 'verified.json');
    const args = ['verify-backend', '--url', url, '--port', `${port}`, '--keys-file', keysFile];
    try {
      const good = await run(...args, '--json', '--bodies');
      const { findings, deviations } = JSON.parse(good.stdout) as BackendReport;
      expect([good.code, deviations]).toEqual([0, []]);
      expect(findings.length).toBeGreaterThan(100);

      backend.holes.add('does not look at aud');
      const bad = await run(...args);
      expect(bad.code).toBe(1);
      expect(bad.stdout).toMatch(/ACCEPTED, and should not have \(\d+\)/);
      expect(bad.stdout).toMatch(/ {2}wrong-audience +is meant for another backend; got 200\n/);
      expect(bad.stdout).not.toContain('REFUSED, and should have');

      backend.holes.clear();
      backend.holes.add('wants one audience');
      const narrow = await run(...args);
      expect([narrow.code, narrow.stdout]).toEqual([1, expect.stringContaining('(1)\n  good-sev')]);

      backend.holes.add('lets nobody in');
      const closed = await run(...args, '--patience-seconds', '0');
      expect(closed.code).toBe(1);
      expect(closed.stdout).toContain(
        'It refused a good token (401), so its refusals prove nothing.',
      );
    } finally {
      backend.close();
    }
  }, 90_000);

  it('says once that the backend did not answer', async () => {
    const [port, nobody] = [await freePort(), await freePort()];
    const url = `http://127.0.0.1:${nobody}/`;
    const { code, stdout } = await run(
      ...['verify-backend', '--url', url, '--port', `${port}`, '--patience-seconds', '0'],
    );
    expect(code).toBe(1);
    expect(stdout).toContain('DID NOT ANSWER (1)\n');
  });

  it.each([
    [['verify-backend'], '--url http://... of an endpoint is needed.'],
    [['verify-backend', '--url', 'nowhere'], '--url http://... of an endpoint is needed.'],
    [['verify-backend', '--url', 'http://a', '--header', 'x'], '--header x: name=value is needed.'],
    [['verify-backend', '--url', 'http://a', '--body-file', '/no'], '--body-file /no: ENOENT'],
    [['--port', '70000'], '--port 70000: there is no such port.'],
    [['--rotate-seconds', 'soon'], '--rotate-seconds soon: a number from 0 to 2000000 is needed.'],
    [['--rotate-seconds', '2147484'], 'a number from 0 to 2000000 is needed.'],
    [['--token-ttl-seconds', '1e300'], 'a number from 0 to 2000000 is needed.'],
    [['--oops'], "Unknown option '--oops'"],
    [['--issuer', '--host', 'x'], "'--issuer' argument is ambiguous"],
    [['--audience', '-x', '--port', '-1'], '--port -1: a number from 0 to 2000000 is needed.'],
    [['verify-backend', '--body', '--1', '--header', '-a=-b'], '--url http://... of an endpoint'],
    [['verify'], 'There is no command verify.'],
    [['write-corpus', '--folder', 'x', '--now', 'soon'], '--now soon: an instant such as'],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await run(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
  });

  it('writes the corpus to files, for the issuer and the audience that it is given', async () => {
    const corpus = join(folder, 'a', 'corpus');
    const options = ['--issuer', 'https://mine.example/', '--audience', 'mine'];
    const { code, stdout } = await run('write-corpus', '--folder', corpus, ...options);
    expect([code, stdout]).toEqual([0, expect.stringContaining('requests.json, keys.json')]);
    const text = readFileSync(join(corpus, 'requests.json'), 'utf8');
    expect(JSON.parse(text)).toMatchObject({ issuer: 'https://mine.example', audience: 'mine' });
    expect(statSync(join(corpus, 'keys.json')).mode & 0o777).toBe(0o644);
  });

  it('refuses a file of keys that holds something else', async () => {
    const keysFile = join(folder, 'odd.json');
    writeFileSync(keysFile, '[]');
    const { code, stderr } = await run('--keys-file', keysFile);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('does not hold keys of an earlier'),
    ]);
  });

  it.each([[[]], [['verify-backend', '--url', 'http://127.0.0.1:9']]])(
    'refuses a file of keys that it cannot write, and ends: %j',
    async (command) => {
      const { code, stderr } = await run(...command, '--keys-file', join(folder, 'no', 'keys'));
      expect([code, stderr]).toEqual([2, expect.stringContaining('ENOENT')]);
    },
  );

  it.each([
    '{"keys":[{}]}',
    '{"keys":[1]}',
    '{"keys":[{"kty":"RSA","n":"AA","e":"AQAB","d":"AA"}]}',
  ])('refuses a file of keys that holds %s, and ends', async (text) => {
    const keysFile = join(folder, 'no-keys.json');
    writeFileSync(keysFile, text);
    const { code, stderr } = await run('--keys-file', keysFile);
    expect([code, stderr]).toEqual([2, expect.stringContaining(keysFile)]);
  });

  it('says that its port is taken', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { code, stderr } = await run('--port', `${(server.address() as AddressInfo).port}`);
    server.close();
    expect([code, stderr]).toEqual([2, expect.stringContaining('EADDRINUSE')]);
  });
});

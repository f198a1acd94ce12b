import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeJwt, UnsecuredJWT } from 'jose';
import { recordPurchase, registerLicense } from '../support/builders.js';
import { buildPackage } from '../support/build-package.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { startScriptedServer } from './scripted-server.js';

const BIN = resolve(
  __dirname,
  '../../packages/cloud-connector-instance/bin/cloud-connector-instance.cjs',
);

// Each case starts processes, and a build machine may be busy.
jest.setTimeout(120_000);

describe('cloud-connector-instance, the command', () => {
  let issuer: TestIssuer;
  let folder: string;
  let licenseKey: string;
  let licenseId: string;
  beforeAll(async () => {
    await buildPackage('cloud-connector-instance');
    issuer = await startTestIssuer();
    const license = await registerLicense(issuer, { expires_on: '2099-01-01' });
    await recordPurchase(issuer, license.id, { expires_on: '2099-01-01' });
    [licenseId, licenseKey] = [license.id, license.licenseKey];
  });
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'client-daemon-'));
    await writeFile(join(folder, 'license-key'), `${licenseKey}\n`, { mode: 0o600 });
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  afterAll(() => issuer.stop());

  function start(...options: readonly string[]) {
    return startBare('--license-key-file', 'license-key', ...options);
  }

  function startBare(...options: readonly string[]) {
    const always = ['--url', issuer.url, '--store-key-file', 'keys/store-key'];
    const child = spawn(process.execPath, [BIN, ...always, ...options], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    const ended = once(child, 'close').then(([code]) => code as number | null);
    return { child, ended, output: () => output };
  }

  it('syncs at its start, says so, and ends with 0 on SIGTERM; a second start has its token', async () => {
    const daemon = start();
    while (!daemon.output().includes('a token is stored')) await sleep(20);
    daemon.child.kill('SIGTERM');
    expect(await daemon.ended).toBe(0);
    expect(daemon.output()).toContain('asked to end');
    expect((await readdir(folder)).sort()).toEqual([
      'cloud-connector-instance.store',
      'cloud-connector-instance.store.instance-id',
      'keys',
      'license-key',
    ]);
    const again = start('--once');
    expect(await again.ended).toBe(0);
    expect(again.output()).toContain('the token is good until');
    expect(daemon.output() + again.output()).not.toContain(licenseKey);
    expect(daemon.output() + again.output()).not.toContain('eyJ');
  });

  it('writes the headers for a backend to a file for curl, which only its owner can read', async () => {
    const instanceId = randomUUID();
    const daemon = start('--once', '--headers-file', 'headers', '--instance-id', instanceId);
    expect(await daemon.ended).toBe(0);
    const headers = await readFile(join(folder, 'headers'), 'utf8');
    expect((await lstat(join(folder, 'headers'))).mode & 0o777).toBe(0o600);
    const token = /^Authorization: Bearer (\S+)$/m.exec(headers)?.[1] ?? '';
    expect(decodeJwt(token).sub).toBe(instanceId);
    expect(headers).toContain(`X-Gitlab-Instance-Id: ${instanceId}\n`);
  });

  it('leaves the headers of a token that is still good when the issuer denies another', async () => {
    const server = await startScriptedServer();
    const instanceId = randomUUID();
    const exp = Math.floor(Date.now() / 1000) + 86_400;
    const token = new UnsecuredJWT({ sub: instanceId, iat: exp - 86_400, exp }).encode();
    const access = { serviceToken: { token, expiresAt: '' } };
    const once = () =>
      start(
        ...['--once', '--url', server.url, '--instance-id', instanceId],
        ...['--headers-file', 'headers'],
      ).ended;
    server.script({ data: { cloudConnectorAccess: access } });
    expect(await once()).toBe(0);
    await rm(join(folder, 'headers'));
    server.script({ errors: [{ message: 'it was revoked' }] });
    expect(await once()).toBe(0);
    expect(await readFile(join(folder, 'headers'), 'utf8')).toContain(`Bearer ${token}\n`);

    server.script({ data: { cloudConnectorAccess: { serviceToken: null } } });
    expect(await once()).toBe(1);
    expect((await readdir(folder)).filter((name) => name.startsWith('headers'))).toEqual([]);
    await server.stop();
  });

  it('ends with 2 and leaves no token behind when the file of headers cannot be written', async () => {
    await mkdir(join(folder, 'headers'));
    const daemon = start('--once', '--headers-file', 'headers');
    expect(await daemon.ended).toBe(2);
    expect(daemon.output()).toContain('headers cannot be written: EISDIR');
    expect((await readdir(folder)).filter((name) => name.startsWith('headers'))).toEqual([
      'headers',
    ]);
  });

  it('activates once with a code from a file, and needs no license key then or later', async () => {
    const codeFile = join(folder, 'code');
    const created = await issuer.admin('POST', `licenses/${licenseId}/activation_codes`, {});
    const { code } = (await created.json()) as { readonly code: string };
    await writeFile(codeFile, code);
    const first = startBare('--once', '--activation-code-file', 'code');
    expect(await first.ended).toBe(0);
    expect(first.output()).toContain('the instance is activated');
    expect(first.output()).not.toContain(code);
    await rm(codeFile);
    expect(await startBare('--once').ended).toBe(0);

    await writeFile(codeFile, code);
    const refused = startBare('--once', '--activation-code-file', 'code', '--store', 'another');
    expect(await refused.ended).toBe(1);
    expect(refused.output()).toContain('ACTIVATION_REFUSED');
  });

  it('ends with 1 when there is no token, and says what the issuer answered', async () => {
    await writeFile(join(folder, 'license-key'), 'nobody knows it');
    const daemon = start('--once');
    expect(await daemon.ended).toBe(1);
    expect(daemon.output()).toContain('LICENSE_NOT_FOUND');
    expect(daemon.output()).not.toContain('nobody knows it');
  });

  it('ends with 2 for unusable arguments, and prints none that may be a secret', async () => {
    const cases: readonly (readonly [string[], string])[] = [
      [['--license-key', 'a-secret'], '--license-key is unknown'],
      [['a-secret'], 'see --help'],
      [['--license-key-file', 'a-missing-file'], 'a-missing-file cannot be read: ENOENT'],
      [['--url', 'http://issuer.example.com'], 'url must be https'],
      [['--gitlab-version', 'latest'], 'gitlabVersion must start with numbers'],
    ];
    for (const [options, sentence] of cases) {
      const daemon = start(...options);
      expect([await daemon.ended, daemon.output()]).toEqual([2, expect.stringContaining(sentence)]);
      expect(daemon.output()).not.toContain('a-secret');
    }
  });

  it('ends with 3 and touches nothing when the key of its store is lost', async () => {
    expect(await start('--once').ended).toBe(0);
    await rm(join(folder, 'keys', 'store-key'));
    const daemon = start('--once');
    expect(await daemon.ended).toBe(3);
    expect(daemon.output()).toContain('STORE_KEY_MISSING');
    expect(await readdir(join(folder, 'keys'))).toEqual([]);
  });

  it('prints its options with --help', async () => {
    const daemon = start('--help');
    expect(await daemon.ended).toBe(0);
    expect(daemon.output()).toContain('--activation-code-file');
  });
});

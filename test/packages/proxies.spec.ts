import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createServer, type Server } from 'node:tls';
import {
  type MockIssuer,
  startMockIssuer,
  verifyBackend,
} from '../../packages/cloud-connector-mock-issuer/src/index.js';
import {
  createVerifier,
  type VerifierEvent,
} from '../../packages/cloud-connector-verifier/src/index.js';
import { buildPackage } from '../support/build-package.js';
import { registerPaidLicense } from '../support/builders.js';
import { HandMadeBackend } from '../support/hand-made-backend.js';
import { selfSignedCertificate } from '../support/self-signed-certificate.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { RecordingProxy } from './recording-proxy.js';

const ISSUER = 'https://issuer.test';
const PACKAGES = resolve(__dirname, '../../packages');
const CREDENTIALS = `Basic ${Buffer.from('instance:p@ss').toString('base64')}`;

// Each case starts processes, and a build machine may be busy.
jest.setTimeout(120_000);

/** Nothing but the proxy knows where `issuer.test` is. The issuer is behind real TLS, on the real Postgres. */
describe('behind a proxy', () => {
  let issuer: TestIssuer;
  let front: Server;
  let proxy: RecordingProxy;
  let address: string;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'proxies-'));
    await Promise.all(
      ['instance', 'verifier'].map((name) => buildPackage(`cloud-connector-${name}`)),
    );
    issuer = await startTestIssuer({ environment: { ISSUER_URL: ISSUER } });
    const { licenseKey } = await registerPaidLicense(issuer, { expires_on: '2099-01-01' });
    await writeFile(join(folder, 'license-key'), licenseKey);
    const { cert, key } = selfSignedCertificate('issuer.test');
    await writeFile(join(folder, 'ca.pem'), cert);
    const port = Number(new URL(issuer.url).port);
    front = createServer({ cert, key }, (socket) => {
      const onward = connect(port, '127.0.0.1');
      onward.on('error', () => socket.destroy());
      socket.on('error', () => onward.destroy());
      onward.pipe(socket).pipe(onward);
    });
    await once(front.listen(0, '127.0.0.1'), 'listening');
    proxy = new RecordingProxy(() => (front.address() as AddressInfo).port);
    address = await proxy.start();
  });
  beforeEach(() => {
    proxy.requests.length = 0;
    proxy.credentials.length = 0;
  });
  afterAll(async () => {
    proxy.stop();
    front.close();
    await issuer.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function run(environment: Record<string, string>, ...args: readonly string[]) {
    const trusting = { PATH: process.env['PATH'], NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') };
    const child = spawn(process.execPath, args, {
      cwd: folder,
      env: { ...trusting, HOME: folder, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, output };
  }
  const daemon = (environment: Record<string, string>) =>
    run(
      environment,
      join(PACKAGES, 'cloud-connector-instance/bin/cloud-connector-instance.cjs'),
      ...['--url', ISSUER, '--license-key-file', 'license-key', '--once'],
      ...['--headers-file', 'headers'],
    );

  it('the daemon syncs, a verifier fetches keys, and no password is printed', async () => {
    const withPassword = { HTTPS_PROXY: `http://instance:p%40ss@${address}` };
    const synced = await daemon(withPassword);
    expect(synced).toMatchObject({ code: 0 });
    expect(synced.output).toContain(`issuer ${ISSUER}, through the proxy http://${address}`);
    expect(synced.output).not.toMatch(/p@ss|p%40ss/);
    expect(proxy.requests).toEqual(['CONNECT issuer.test:443']);
    expect(proxy.credentials).toEqual([CREDENTIALS]);

    const script = `
      const { readFileSync } = require('node:fs');
      const { createVerifier } = require(process.argv[1]);
      const token = /Bearer (\\S+)/.exec(readFileSync('headers', 'utf8'))[1];
      const audience = 'gitlab-ai-gateway';
      createVerifier({ issuers: ['${ISSUER}/'], audience }).verify(token).then(console.log);`;
    const verifier = join(PACKAGES, 'cloud-connector-verifier');
    // In small letters, and HTTP_PROXY is not for https.
    const small = { https_proxy: address, HTTP_PROXY: 'http://127.0.0.1:1' };
    const verified = await run(small, '-e', script, verifier);
    expect(verified.output).toContain('accepted: true');
    expect(proxy.requests.slice(1)).toContain('CONNECT issuer.test:443');
  });

  it('an excluded issuer is asked directly, and a refusing proxy is named', async () => {
    const direct = await daemon({ HTTPS_PROXY: `http://${address}`, NO_PROXY: '.test:443' });
    expect(direct).toMatchObject({ code: 0 });
    expect(direct.output).toContain('the token is good until');
    expect(direct.output).not.toContain('through the proxy');

    proxy.refusal = 407;
    const events: VerifierEvent[] = [];
    await withEnvironment({ HTTPS_PROXY: `http://me:secret@${address}` }, () =>
      createVerifier({
        issuers: ['https://other.test'],
        audience: 'x',
        onEvent: (event) => events.push(event),
      }).warmUp(),
    );
    proxy.refusal = null;
    const reason = expect.stringMatching(
      new RegExp(`407.*\\(through the proxy http://${address}\\)$`),
    ) as unknown;
    expect(events).toEqual([{ type: 'keys_refresh_failed', issuer: 'https://other.test', reason }]);
  });

  it('a variable that names no proxy is refused by its name, before anything is sent', async () => {
    const refused = await daemon({ HTTPS_PROXY: `socks5://me:secret@${address}` });
    expect(refused.code).toBe(2);
    expect(refused.output).toBe(
      'OPTION_INVALID: HTTPS_PROXY must be the http or https URL of a proxy\n',
    );
    await withEnvironment({ https_proxy: 'socks5://me:secret@proxy' }, () => {
      const issuers = [ISSUER];
      const create = (about = {}) => createVerifier({ issuers, audience: 'x', ...about });
      expect(() => create()).toThrow('https_proxy must be the http or https URL of a proxy');
      // Who brings a fetch has decided.
      expect(() => create({ fetch })).not.toThrow();
    });
  });

  describe('of a backend', () => {
    let mock: MockIssuer;
    let backend: HandMadeBackend;
    let forward: RecordingProxy;
    beforeAll(async () => {
      mock = await startMockIssuer({ port: 0, rotateSeconds: 0 });
      backend = new HandMadeBackend(() => new Date(), mock.issuer);
      const { port } = new URL(await backend.start());
      forward = new RecordingProxy(() => Number(port));
    });
    afterAll(async () => {
      forward.stop();
      backend.close();
      await mock.close();
    });

    it('verify-backend tries everything through it', async () => {
      const http_proxy = `http://instance:p%40ss@${await forward.start()}`;
      const url = 'http://backend.test/v1/chat';
      const { deviations, findings } = await withEnvironment({ http_proxy }, () =>
        verifyBackend({ url, issuer: mock, patienceSeconds: 5 }),
      );
      expect(deviations).toEqual([]);
      expect(findings.length).toBeGreaterThan(100);
      expect(new Set(forward.requests)).toEqual(new Set([`POST ${url}`]));
      expect(new Set(forward.credentials)).toEqual(new Set([CREDENTIALS]));
    });
  });
});

async function withEnvironment<Result>(
  variables: Record<string, string>,
  work: () => Promise<Result> | Result,
): Promise<Result> {
  Object.assign(process.env, variables);
  try {
    return await work();
  } finally {
    for (const name of Object.keys(variables)) Reflect.deleteProperty(process.env, name);
  }
}

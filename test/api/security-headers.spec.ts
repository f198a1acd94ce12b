import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { selfSignedCertificate } from '../support/self-signed-certificate.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const HSTS = /^strict-transport-security: max-age=31536000$/im;
const hasChromium = spawnSync('chromium', ['--version']).status === 0;
if (!hasChromium) process.stderr.write('skipped: no chromium here (Debian package chromium)\n');

describe('what browsers are told', () => {
  let issuer: TestIssuer;
  beforeAll(async () => {
    issuer = await startTestIssuer();
  });
  afterAll(() => issuer.stop());

  it('lets no page frame /api/docs, and no foreign script run in it', async () => {
    for (const path of ['/api/docs', '/api/docs/', '/api/docs/index.html']) {
      const { status, headers } = await fetch(issuer.url + path);
      const policy = headers.get('content-security-policy') ?? '';
      expect([path, status]).toEqual([path, 200]);
      expect(policy).toContain("default-src 'none'; script-src 'self';");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(headers.get('x-frame-options')).toBe('DENY');
    }
  });

  it.each(['/oauth/discovery/keys', '/api/openapi.json', '/-/readiness', '/nothing', '/%zz'])(
    'lets the answer of %s load nothing, and be nothing but its type',
    async (path) => {
      const { headers } = await fetch(issuer.url + path);
      expect(headers.get('content-security-policy')).toBe(
        "default-src 'none'; frame-ancestors 'none'",
      );
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      // A proxy ends TLS: it is the one to say so.
      expect(headers.get('strict-transport-security')).toBeNull();
    },
  );

  (hasChromium ? it : it.skip)('leaves /api/docs as it was in a browser', async () => {
    const { dom, log } = await openInChromium(`${issuer.url}/api/docs`);
    expect(dom).toMatch(/class="opblock-summary-path"[^>]*>.*\/api\/v1\/licenses/s);
    expect(log).not.toMatch(/CONSOLE.*(Content Security Policy|Refused|Error)/);
  });
});

describe('a listener with TLS of its own', () => {
  let issuer: TestIssuer;
  let folder: string;
  const pair = selfSignedCertificate();
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tls-'));
    const files = { TLS_CERT_FILE: join(folder, 'cert'), TLS_KEY_FILE: join(folder, 'key') };
    await writeFile(files.TLS_CERT_FILE, pair.cert);
    await writeFile(files.TLS_KEY_FILE, pair.key);
    issuer = await startTestIssuer({ environment: files });
  });
  afterAll(async () => {
    await issuer.stop();
    await rm(folder, { recursive: true });
  });

  it.each([
    ['a key set', 'GET /oauth/discovery/keys HTTP/1.1\r\nHost: a', '200'],
    ['an unknown route', 'GET /nothing HTTP/1.1\r\nHost: a', '404'],
    ['an admin without a token', 'GET /api/v1/licenses HTTP/1.1\r\nHost: a', '401'],
    ['a URL that cannot be decoded', 'GET /%zz HTTP/1.1\r\nHost: a', '400'],
    ['a request without a host', 'GET /-/liveness HTTP/1.1', '400'],
    ['an unknown expectation', 'GET /-/liveness HTTP/1.1\r\nHost: a\r\nExpect: tea', '400'],
    ['a request that cannot be read', 'GET / HTTP/9.9', '400'],
  ])('says on the answer to %s that browsers come by TLS only', async (_what, head, status) => {
    const answer = await ask(Number(new URL(issuer.url).port), pair.cert, head);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toMatch(HSTS);
  });
});

/** The bytes that come back until the connection ends. */
function ask(port: number, ca: string, head: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', ca, servername: 'localhost' });
    let answer = '';
    socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
    socket.on('error', reject).on('close', () => {
      resolve(answer.replaceAll('\r', ''));
    });
    socket.write(`${head}\r\nConnection: close\r\n\r\n`);
  });
}

/** The page once its scripts have run, and what the browser says of it. */
async function openInChromium(
  url: string,
): Promise<{ readonly dom: string; readonly log: string }> {
  const profile = await mkdtemp(join(tmpdir(), 'chromium-'));
  const quiet = ['--no-first-run', '--disable-background-networking', '--disable-component-update'];
  const args = [
    ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-sync', ...quiet],
    ...[`--user-data-dir=${profile}`, '--enable-logging=stderr', '--virtual-time-budget=10000'],
    ...['--dump-dom', url],
  ];
  try {
    const options = { maxBuffer: 2 ** 26, timeout: 60_000 };
    const { stdout, stderr } = await promisify(execFile)('chromium', args, options);
    return { dom: stdout, log: stderr };
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

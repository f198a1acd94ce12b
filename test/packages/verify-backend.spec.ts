import {
  CORPUS,
  type Finding,
  type MockIssuer,
  startMockIssuer,
  verifyBackend,
} from '../../packages/cloud-connector-mock-issuer/src/index.js';
import { HandMadeBackend, type Hole } from '../support/hand-made-backend.js';

const NOW = new Date('2026-11-23T12:00:00Z');
const now = () => NOW;
const IMPATIENT = { patienceSeconds: 0 };

describe('verifyBackend', () => {
  let issuer: MockIssuer;
  let backend: HandMadeBackend;
  let url: string;

  beforeAll(async () => {
    issuer = await startMockIssuer({ port: 0, rotateSeconds: 0, now });
    backend = new HandMadeBackend(now, issuer.issuer);
    url = await backend.start();
  });
  afterAll(async () => {
    backend.close();
    await issuer.close();
  });
  beforeEach(() => {
    backend.holes.clear();
  });

  const report = (options: object = {}) => verifyBackend({ url, issuer, ...IMPATIENT, ...options });
  const named = (findings: readonly Finding[]) =>
    findings.map(({ name, deviation }) => `${String(deviation)} ${name}`);

  it('finds nothing in a backend that does everything right', async () => {
    const { deviations, findings, baseline, baselineLetIn } = await report({ compareBodies: true });
    expect(named(deviations)).toEqual([]);
    expect([baseline, baselineLetIn]).toEqual([200, true]);
    const withoutStatusList = CORPUS.filter(({ needsStatusList }) => needsStatusList !== true);
    expect(findings.length).toBeGreaterThan(withoutStatusList.length);
  });

  const HOLES: readonly (readonly [Hole, readonly string[]])[] = [
    ['does not look at aud', ['wrong-audience', 'missing-aud', 'audience-empty']],
    ['does not look at iss', ['wrong-issuer', 'issuer-suffix', 'missing-iss', 'iss-an-array']],
    ['does not look at typ', ['typ-status-list', 'typ-checkpoint']],
    ['does not look at exp and nbf', ['expired', 'expired-just-now', 'not-yet-valid', 'exp-null']],
    ['does not look at crit', ['crit-unknown', 'crit-empty']],
    ['takes what is absent for right', ['missing-exp', 'missing-jti', 'missing-aud']],
    ['looks for the scope in a string', ['scopes-a-string']],
    ['decodes base64 as it comes', ['base64-padded', 'whitespace-inside']],
    ['takes a key from the header', ['embedded-jwk', 'jku']],
    ['compares headers without case', ['header-realm-in-capitals']],
    ['does not compare headers', ['header-no-realm', 'header-wrong-instance-id']],
    [
      'lets the token choose the algorithm',
      ['alg-none', 'alg-none-3', 'alg-missing', 'hmac-pem', 'hmac-pem-hs512', 'alg-rs512'],
    ],
    [
      'decodes without verifying',
      ['alg-none', 'wrong-key', 'tampered-payload', 'signature-empty', 'two-parts', 'kid-sql'],
    ],
  ];

  it.each(HOLES)('finds that a backend %s', async (hole, names) => {
    backend.holes.add(hole);
    const { deviations } = await report();
    expect(named(deviations)).toEqual(
      expect.arrayContaining(names.map((name) => `accepted ${name}`)),
    );
    // A hole only lets tokens in. What is refused is still refused correctly.
    expect(deviations.filter(({ deviation }) => deviation !== 'accepted')).toEqual([]);
  });

  it('reports a backend that refuses a token, but fetches the URL that it names', async () => {
    backend.holes.add('fetches what a token names');
    expect(named((await report()).deviations)).toEqual(['followed jku']);
  });

  it('reports good tokens that are refused', async () => {
    backend.holes.add('wants one audience');
    expect(named((await report()).deviations)).toEqual(['refused good-several-audiences']);
    backend.holes.clear();
    backend.holes.add('knows only the newest key');
    expect(named((await report()).deviations)).toEqual(['refused good-previous-key']);
  });

  it('reports refusals that clients do not understand', async () => {
    backend.holes.add('crashes on bytes that are not a token');
    const { deviations } = await report();
    expect(named(deviations)).toContain('wrong_answer not-a-token');
    expect(deviations.find(({ name }) => name === 'not-a-token')?.detail).toBe(
      '500 instead of 401',
    );
    backend.holes.clear();
    backend.holes.add('answers 403 to what it does not know');
    expect(named((await report()).deviations)).toContain('wrong_answer alg-none');
  });

  it('reports a backend that refuses everything', async () => {
    backend.holes.add('lets nobody in');
    const { baselineLetIn, deviations } = await report();
    expect(baselineLetIn).toBe(false);
    expect(named(deviations)).toContain('refused good');
  });

  it('tries a revoked token only on a backend that reads status lists', async () => {
    expect(named((await report({ statusList: true })).deviations)).toEqual([
      'accepted revoked',
      'accepted status-elsewhere',
      'accepted status-no-place',
    ]);
  });

  it('reports a backend that never fetches the keys again', async () => {
    const { deviations } = await report({ caching: true });
    expect(named(deviations).filter((it) => it.includes('caching'))).toEqual([
      'refused caching-new-key',
      ...Array.from({ length: 16 }, () => expect.stringContaining('refused caching-') as string),
      'refused caching-recovery',
    ]);
  });

  it('reports a backend that fails when the keys that it fetches are broken', async () => {
    backend.holes.add('fetches keys for each request');
    const { deviations } = await report({ caching: true, timeoutSeconds: 1 });
    expect(named(deviations)).toEqual(
      expect.arrayContaining([
        'refused caching-keys-broken-json',
        'refused caching-keys-empty',
        'refused caching-keys-not-an-object',
        'refused caching-keys-error-500',
        'refused caching-keys-reset',
        'no_answer caching-keys-slow',
        'no_answer caching-keys-hanging',
      ]),
    );
  });

  it('reports a backend that accepts the key of one issuer for another', async () => {
    const secondIssuer = await startMockIssuer({ port: 0, rotateSeconds: 0, now });
    const trusting = new HandMadeBackend(now, issuer.issuer, secondIssuer.issuer);
    const options = { url: await trusting.start(), secondIssuer };
    expect(named((await report(options)).deviations)).toEqual([]);
    trusting.holes.add('mixes the keys of its issuers');
    expect(named((await report(options)).deviations)).toEqual([
      'accepted second-key-first-iss',
      'accepted first-key-second-iss',
    ]);
    trusting.close();
    await secondIssuer.close();
  });

  it('reports a backend that does not answer', async () => {
    const nobody = await verifyBackend({ url: 'http://127.0.0.1:1/', issuer, ...IMPATIENT });
    expect(nobody.baseline).toBeNull();
    expect(nobody.findings).toMatchObject([{ name: 'good', deviation: 'no_answer' }]);
  });
});

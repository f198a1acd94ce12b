import { compactVerify, decodeProtectedHeader, importJWK, type JWK } from 'jose';
import { recordPurchase, registerLicense, registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

const INSTANCE_ID = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';
const DAY = 86_400;
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** What section "The token" of the protocol promises, and nothing else. */
const CLAIMS = [
  'aud',
  'exp',
  'gitlab_instance_uid',
  'gitlab_realm',
  'iat',
  'iss',
  'jti',
  'nbf',
  'scopes',
  'sub',
];

interface Claims {
  readonly iss: string;
  readonly aud: readonly string[];
  readonly sub: string;
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
  readonly jti: string;
  readonly gitlab_realm: string;
  readonly gitlab_instance_uid: string;
  readonly scopes: readonly string[];
}

describe('the claims of a service token', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;

  beforeAll(async () => {
    clock.set('2026-03-10T12:00:00.900Z');
    issuer = await startTestIssuer({ clock });
  });
  beforeEach(() => {
    clock.set('2026-03-10T12:00:00.900Z');
  });
  afterAll(() => issuer.stop());

  /** Checked with nothing but what the issuer publishes. */
  async function verified(token: string): Promise<Claims> {
    const { keys } = (await (await fetch(`${issuer.url}/oauth/discovery/keys`)).json()) as {
      keys: readonly JWK[];
    };
    const { kid } = decodeProtectedHeader(token);
    const key = keys.find((published) => published.kid === kid);
    if (!key) throw new Error(`no published key has the kid ${String(kid)}`);
    const { payload } = await compactVerify(token, await importJWK(key, 'RS256'));
    return JSON.parse(new TextDecoder().decode(payload)) as Claims;
  }

  async function synced(licenseKey: string): Promise<{ claims: Claims; expiresAt: string }> {
    const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
    const { token, expiresAt } = await client.serviceToken();
    return { claims: await verified(token), expiresAt };
  }

  it('are exactly those of the protocol', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const { claims } = await synced(licenseKey);
    expect(Object.keys(claims).sort()).toEqual(CLAIMS);
    expect(claims).toMatchObject({
      iss: issuer.url,
      sub: INSTANCE_ID,
      gitlab_realm: 'self-managed',
      jti: expect.stringMatching(UUID_V7) as string,
    });
  });

  it('come under the header typ, alg and kid', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
    const { token } = await client.serviceToken();
    const header = decodeProtectedHeader(token);
    expect(Object.keys(header)).toEqual(['typ', 'alg', 'kid']);
    expect(header).toMatchObject({ typ: 'JWT', alg: 'RS256' });
  });

  it('last three days from a whole second and hold from five seconds before', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const { claims, expiresAt } = await synced(licenseKey);
    const iat = Date.parse('2026-03-10T12:00:00Z') / 1000;
    expect(claims).toMatchObject({ iat, nbf: iat - 5, exp: iat + 3 * DAY });
    expect(expiresAt).toBe('2026-03-13T12:00:00.000Z');
  });

  it('carry the moment of issue in the jti', async () => {
    const { licenseKey } = await registerPaidLicense(issuer);
    const { claims } = await synced(licenseKey);
    const milliseconds = Number.parseInt(claims.jti.replace('-', '').slice(0, 12), 16);
    expect(milliseconds).toBe(clock.now().getTime());
  });

  it('grant the sorted union of what is free and of every active purchase', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    const free = ['duo_workflow_execute_workflow', 'observability_all', 'security_scans'];
    expect((await synced(licenseKey)).claims.scopes).toEqual(free);

    await recordPurchase(issuer, id, { add_on: 'duo_core' });
    await recordPurchase(issuer, id, { add_on: 'self_hosted_dap' });
    await recordPurchase(issuer, id, { add_on: 'duo_pro', expires_on: '2026-03-10' });
    const { scopes, aud } = (await synced(licenseKey)).claims;
    expect(scopes).toEqual([...scopes].sort());
    expect(scopes).toEqual(expect.arrayContaining([...free, 'complete_code']));
    expect(scopes).toContain('self_hosted_duo_agent_platform');
    expect(scopes).not.toContain('include_file_context');
    expect(aud).toEqual([
      'gitlab-ai-gateway',
      'gitlab-duo-workflow-service',
      'gitlab-observability-backend',
      'gitlab-security-gateway',
    ]);
  });

  describe('end with the grace of the license, 14 days after it expires', () => {
    const graceEnd = Date.parse('2026-06-15T00:00:00Z') / 1000;

    it.each([
      ['2026-06-11T23:59:59Z', 'a second before the grace shortens them', graceEnd - 1],
      ['2026-06-12T00:00:00Z', 'at the last instant that is not shortened', graceEnd],
      ['2026-06-12T00:00:01Z', 'a second later', graceEnd],
      ['2026-06-14T23:59:59.999Z', 'in the last millisecond of the grace', graceEnd],
    ])('synced at %s: %s', async (now, _when, exp) => {
      const { licenseKey } = await registerPaidLicense(issuer, { expires_on: '2026-06-01' });
      clock.set(now);
      const { claims, expiresAt } = await synced(licenseKey);
      expect(claims.exp).toBe(exp);
      expect(Date.parse(expiresAt)).toBe(exp * 1000);
      expect(claims.exp).toBeGreaterThan(claims.iat);
    });

    it('whether it is a trial or not', async () => {
      const trial = { expires_on: '2026-06-01', trial: true };
      const { licenseKey } = await registerPaidLicense(issuer, trial);
      clock.set('2026-06-14T12:00:00Z');
      expect((await synced(licenseKey)).claims.exp).toBe(graceEnd);
    });

    it('and not with a purchase that ends before', async () => {
      const { id, licenseKey } = await registerLicense(issuer);
      await recordPurchase(issuer, id, { expires_on: '2026-03-11' });
      const { claims } = await synced(licenseKey);
      expect(claims.exp - claims.iat).toBe(3 * DAY);
    });
  });

  it.each(['online_cloud', 'offline_cloud'])(
    'are issued for a license of kind %s',
    async (kind) => {
      const { licenseKey } = await registerPaidLicense(issuer, { kind });
      expect((await synced(licenseKey)).claims.sub).toBe(INSTANCE_ID);
    },
  );
});

describe('the lifetime that the operator chose', () => {
  it('counts for the token, and so does the back-dating', async () => {
    const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
    const environment = { SERVICE_TOKEN_TTL_SECONDS: '200000', NOT_BEFORE_SKEW_SECONDS: '60' };
    const issuer = await startTestIssuer({ clock, environment });
    const { licenseKey } = await registerPaidLicense(issuer);
    const client = new GitlabInstance(issuer.url, { licenseKey, instanceId: INSTANCE_ID });
    const { token } = await client.serviceToken();
    const claims = JSON.parse(
      Buffer.from(token.split('.')[1] ?? '', 'base64url').toString(),
    ) as Claims;
    expect(claims.exp - claims.iat).toBe(200_000);
    expect(claims.iat - claims.nbf).toBe(60);
    await issuer.stop();
  });
});

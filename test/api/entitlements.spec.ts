import { decodeJwt } from 'jose';
import { recordPurchase, registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance, NEWEST } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';

interface DecisionJson {
  readonly unit_primitive: string;
  readonly granted: boolean;
  readonly reason: string;
}

interface EntitlementsJson {
  readonly license_id: string;
  readonly at: string;
  readonly gitlab_version: string | null;
  readonly denial: string | null;
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  readonly decisions: readonly DecisionJson[];
}

describe('the entitlements of a license', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;

  beforeAll(async () => {
    clock.set('2026-03-10T12:00:00Z');
    issuer = await startTestIssuer({ clock });
  });
  beforeEach(() => {
    clock.set('2026-03-10T12:00:00Z');
  });
  afterAll(() => issuer.stop());

  async function read(id: string, query = ''): Promise<EntitlementsJson> {
    const response = await issuer.admin('GET', `licenses/${id}/entitlements${query}`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^application\/json/);
    return (await response.json()) as EntitlementsJson;
  }

  async function decision(name: string, id: string, query = ''): Promise<DecisionJson | undefined> {
    const { decisions } = await read(id, query);
    return decisions.find(({ unit_primitive }) => unit_primitive === name);
  }

  it('tell with one purchase of Duo Pro what is granted and why, and why not', async () => {
    const { id } = await registerLicense(issuer);
    const purchase = await recordPurchase(issuer, id, { add_on: 'duo_pro' });
    const { decisions, ...answer } = await read(id, '?gitlab_version=18.5.0');
    expect(answer).toEqual({
      license_id: id,
      at: '2026-03-10T12:00:00.000Z',
      gitlab_version: '18.5.0',
      denial: null,
      scopes: decisions
        .filter(({ granted }) => granted)
        .map((each) => each.unit_primitive)
        .sort(),
      audiences: [
        'gitlab-ai-gateway',
        'gitlab-duo-workflow-service',
        'gitlab-observability-backend',
        'gitlab-security-gateway',
      ],
    });
    expect(decisions).toEqual(
      expect.arrayContaining([
        {
          unit_primitive: 'include_file_context',
          granted: true,
          reason: 'ADD_ON_PURCHASED',
          add_on_purchase_id: purchase.id,
          until: '2027-01-01',
        },
        {
          unit_primitive: 'ask_epic',
          granted: false,
          reason: 'NO_ACTIVE_PURCHASE',
          would_be_granted_by: ['duo_enterprise'],
        },
        { unit_primitive: 'security_scans', granted: true, reason: 'FREE', until: null },
        { unit_primitive: 'malware_advisories', granted: false, reason: 'NO_AUDIENCE' },
      ]),
    );
  });

  it('decide about every unit primitive of the catalog, each once', async () => {
    const { id } = await registerLicense(issuer);
    const { decisions } = await read(id);
    const catalog = (await (await issuer.admin('GET', 'catalog/unit_primitives')).json()) as {
      items: { name: string }[];
    };
    expect(decisions.map((each) => each.unit_primitive)).toEqual(
      catalog.items.map(({ name }) => name),
    );
    expect(decisions.length).toBeGreaterThan(50);
  });

  it('are what a sync of the same version at the same instant grants', async () => {
    const { id, licenseKey } = await registerLicense(issuer, { plan: 'premium' });
    await recordPurchase(issuer, id);
    await recordPurchase(issuer, id, { add_on: 'self_hosted_dap' });
    const instanceId = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';
    for (const version of ['16.7.0', '16.8.0', '17.1.9-ee', '18.6.0-ee']) {
      const instance = new GitlabInstance(
        issuer.url,
        { licenseKey, instanceId },
        { ...NEWEST, version },
      );
      const { scopes, aud } = decodeJwt((await instance.serviceToken()).token);
      const told = await read(id, `?gitlab_version=${version}`);
      expect({ version, scopes: told.scopes, aud: told.audiences }).toEqual({
        version,
        scopes,
        aud,
      });
    }
  });

  describe('with a version', () => {
    it.each([
      ['16.7.99', 'GITLAB_VERSION_TOO_OLD'],
      ['16.8', 'ADD_ON_PURCHASED'],
      ['16.8.0', 'ADD_ON_PURCHASED'],
      ['16.8.0-ee', 'ADD_ON_PURCHASED'],
      ['16.8.0-pre', 'ADD_ON_PURCHASED'],
      ['16.10', 'ADD_ON_PURCHASED'],
      ['9.99', 'GITLAB_VERSION_TOO_OLD'],
    ])('%s say %s of what asks for 16.8', async (version, reason) => {
      const { id } = await registerLicense(issuer);
      await recordPurchase(issuer, id, { add_on: 'duo_pro' });
      const told = await decision('complete_code', id, `?gitlab_version=${version}`);
      expect(told).toMatchObject({ reason });
      if (reason === 'GITLAB_VERSION_TOO_OLD')
        expect(told).toMatchObject({ min_gitlab_version: '16.8' });
    });

    it('repeat no more of it than is safe', async () => {
      const { id } = await registerLicense(issuer);
      const version = encodeURIComponent(`18.5.0-ee <b>${'x'.repeat(100)}`);
      expect((await read(id, `?gitlab_version=${version}`)).gitlab_version).toBe('18.5.0-ee');
    });

    it('left out let every version gate pass', async () => {
      const { id } = await registerLicense(issuer);
      await recordPurchase(issuer, id, { add_on: 'duo_pro' });
      expect((await read(id)).gitlab_version).toBeNull();
      expect(await decision('complete_code', id)).toMatchObject({ granted: true });
    });
  });

  describe('at an instant', () => {
    it.each([
      ['2026-06-09T23:59:59.999Z', 'PURCHASE_NOT_STARTED', { starts_on: '2026-06-10' }],
      ['2026-06-10T00:00:00Z', 'ADD_ON_PURCHASED', { until: '2026-06-20' }],
      ['2026-06-10', 'ADD_ON_PURCHASED', { until: '2026-06-20' }],
      ['2026-06-19T23:59:59.999Z', 'ADD_ON_PURCHASED', { until: '2026-06-20' }],
      ['2026-06-20T00:00:00Z', 'PURCHASE_EXPIRED', { expired_on: '2026-06-20' }],
      ['2026-06-20T01:00:00%2B02:00', 'ADD_ON_PURCHASED', { until: '2026-06-20' }],
      ['2026-06-09T23:00:00-02:00', 'ADD_ON_PURCHASED', { until: '2026-06-20' }],
    ])('%s say %s of a purchase from 10 to 20 June', async (at, reason, more) => {
      const { id } = await registerLicense(issuer);
      const days = { started_at: '2026-06-10', expires_on: '2026-06-20' };
      const purchase = await recordPurchase(issuer, id, days);
      expect(await decision('ask_epic', id, `?at=${at}`)).toMatchObject({
        reason,
        add_on_purchase_id: purchase.id,
        ...more,
      });
    });

    it('before a cut-off say FREE until then, and from it on what it costs', async () => {
      const { id } = await registerLicense(issuer, { starts_on: '2024-01-01' });
      expect(await decision('ask_epic', id, '?at=2024-10-16T23:59:59.999Z')).toEqual({
        unit_primitive: 'ask_epic',
        granted: true,
        reason: 'FREE',
        until: '2024-10-17T00:00:00.000Z',
      });
      expect(await decision('ask_epic', id, '?at=2024-10-17T00:00:00Z')).toMatchObject({
        granted: false,
        reason: 'NO_ACTIVE_PURCHASE',
      });
    });

    it('left out are those of now', async () => {
      const { id } = await registerLicense(issuer);
      clock.set('2026-07-01T06:00:00Z');
      expect((await read(id)).at).toBe('2026-07-01T06:00:00.000Z');
    });
  });

  it('keep to the plan', async () => {
    const { id } = await registerLicense(issuer, { plan: 'premium' });
    await recordPurchase(issuer, id);
    expect(await decision('explain_vulnerability', id)).toEqual({
      unit_primitive: 'explain_vulnerability',
      granted: false,
      reason: 'PLAN_NOT_ELIGIBLE',
      eligible_plans: ['ultimate'],
    });
  });

  it('name the purchase of an old name of Duo Pro as any other', async () => {
    const { id } = await registerLicense(issuer);
    const purchase = await recordPurchase(issuer, id, { add_on: 'code_suggestions' });
    const told = await decision('include_file_context', id);
    expect(told).toMatchObject({ granted: true, add_on_purchase_id: purchase.id });
  });
});

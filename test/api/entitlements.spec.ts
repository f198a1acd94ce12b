import { decodeJwt } from 'jose';
import {
  assignSeats,
  recordNamespacePurchase,
  recordPurchase,
  registerLicense,
} from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance, NEWEST } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await startTestIssuer({ clock });
});
afterAll(() => issuer.stop());

describe('the entitlements of a license', () => {
  interface EntitlementsJson {
    readonly license_id: string;
    readonly at: string;
    readonly gitlab_version: string | null;
    readonly denial: string | null;
    readonly scopes: readonly string[];
    readonly audiences: readonly string[];
    readonly decisions: readonly DecisionJson[];
  }

  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });
  beforeEach(() => {
    clock.set('2026-03-10T12:00:00Z');
  });

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

describe('the entitlements', () => {
  interface EntitlementsJson {
    readonly denial: string | null;
    readonly scopes: readonly string[];
    readonly audiences: readonly string[];
    readonly decisions: readonly { readonly unit_primitive: string }[];
  }

  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });

  async function read(id: string, query = ''): Promise<EntitlementsJson> {
    const response = await issuer.admin('GET', `licenses/${id}/entitlements${query}`);
    expect(response.status).toBe(200);
    return (await response.json()) as EntitlementsJson;
  }

  it.each([
    ['LICENSE_NOT_CLOUD', { kind: 'legacy' }, ''],
    ['LICENSE_NOT_STARTED', {}, '?at=2025-12-31T23:59:59Z'],
    ['LICENSE_EXPIRED', {}, '?at=2027-01-15T00:00:00Z'],
  ])(
    'of a license denied with %s are listed all the same, beside empty scopes',
    async (...given) => {
      const [denial, about, query] = given;
      const { id } = await registerLicense(issuer, about);
      await recordPurchase(issuer, id, { started_at: null, expires_on: '2030-01-01' });
      const told = await read(id, query);
      expect(told).toMatchObject({ denial, scopes: [], audiences: [] });
      expect(
        told.decisions.find(({ unit_primitive }) => unit_primitive === 'ask_epic'),
      ).toMatchObject({
        granted: true,
        reason: 'ADD_ON_PURCHASED',
      });
    },
  );

  it('of a revoked license are denied from the revocation on', async () => {
    const { id } = await registerLicense(issuer);
    await issuer.admin('POST', `licenses/${id}/revoke`);
    expect((await read(id)).denial).toBe('LICENSE_REVOKED');
    expect((await read(id, '?at=2026-03-10T11:59:59Z')).denial).toBeNull();
  });

  it.each(['2027-01-14T23:59:59.999Z', '2026-01-01'])('are not denied at %s', async (at) => {
    const { id } = await registerLicense(issuer);
    expect((await read(id, `?at=${at}`)).denial).toBeNull();
  });

  it.each([
    ['gitlab_version=latest', 'gitlab_version'],
    ['gitlab_version=18', 'gitlab_version'],
    ['gitlab_version=', 'gitlab_version'],
    ['gitlab_version=18.5&gitlab_version=18.6', 'gitlab_version'],
    ['at=yesterday', 'at'],
    ['at=2026-02-30', 'at'],
    ['at=2026-03-10T25:00:00Z', 'at'],
    ['at=1773144000', 'at'],
    ['at=', 'at'],
    ['version=18.5.0', 'version'],
  ])('with ?%s are refused by the name of the parameter', async (query, parameter) => {
    const { id } = await registerLicense(issuer);
    const response = await issuer.admin('GET', `licenses/${id}/entitlements?${query}`);
    await expectProblem(response, 422, 'VALIDATION_FAILED', [parameter]);
  });

  it.each(['00000000-0000-7000-8000-000000000000', 'no-uuid'])(
    'are nowhere for the license %s',
    async (id) => {
      const response = await issuer.admin('GET', `licenses/${id}/entitlements`);
      await expectProblem(response, 404, 'NOT_FOUND');
    },
  );
});

describe('whether a user or a namespace may use a unit primitive', () => {
  const ids: Record<string, string> = {};

  beforeAll(async () => {
    const bought = async (name: string, namespace: string, about: Record<string, unknown>) => {
      ids[name] = (await recordNamespacePurchase(issuer, namespace, about)).id;
    };
    await bought('pro', 'both', {});
    await bought('enterprise', 'both', { add_on: 'duo_enterprise' });
    await bought('core', 'core', { add_on: 'duo_core' });
    await bought('premium', 'premium', { plan: 'premium', add_on: 'duo_enterprise' });
    await bought('over', 'over', { expires_on: '2026-03-11' });
    await bought('coming', 'coming', { started_at: '2026-03-12' });
    await assignSeats(issuer, ids['pro'] ?? '', 'ada');
    await assignSeats(issuer, ids['over'] ?? '', 'bob');
    await assignSeats(issuer, ids['coming'] ?? '', 'cem');
    clock.set('2026-03-11T00:00:00Z');
  });

  const ask = async (query: string): Promise<unknown> => {
    const response = await issuer.admin('GET', `allowed_to_use?${query}`);
    expect(response.status).toBe(200);
    return response.json();
  };
  const no = (reason: string, rest: object = {}) => ({ allowed: false, reason, ...rest });
  const CHAT = 'unit_primitive=duo_chat';

  it('is answered for a user by the seats', async () => {
    expect(await ask(`user=ada&${CHAT}`)).toEqual({
      ...{ allowed: true, reason: 'SEAT_ASSIGNED', unit_primitive: 'duo_chat' },
      ...{ add_on_purchase_id: ids['pro'], until: '2027-01-01' },
    });
    expect(await ask(`user=7&${CHAT}`)).toEqual({
      ...no('NO_SEAT', { unit_primitive: 'duo_chat' }),
      would_be_granted_by: ['duo_enterprise', 'duo_pro'],
    });
    expect(await ask(`user=bob&${CHAT}`)).toMatchObject(
      no('PURCHASE_EXPIRED', { add_on_purchase_id: ids['over'], expired_on: '2026-03-11' }),
    );
    expect(await ask(`user=cem&${CHAT}`)).toMatchObject(
      no('PURCHASE_NOT_STARTED', { add_on_purchase_id: ids['coming'], starts_on: '2026-03-12' }),
    );
  });

  it('is answered for a namespace by what it has bought, the strongest first', async () => {
    expect(await ask(`namespace=both&${CHAT}`)).toMatchObject({
      ...{ allowed: true, reason: 'ADD_ON_PURCHASED', add_on_purchase_id: ids['enterprise'] },
    });
    await recordNamespacePurchase(issuer, 'both', { add_on: 'duo_amazon_q' });
    expect(await ask(`namespace=both&${CHAT}`)).toMatchObject(
      no('OUTRANKED', { outranked_by: 'duo_amazon_q' }),
    );
    expect(await ask(`namespace=core&${CHAT}`)).toMatchObject({ allowed: true });
    expect(await ask(`namespace=core&unit_primitive=ask_epic`)).toMatchObject(
      no('NO_ACTIVE_PURCHASE', { would_be_granted_by: ['duo_enterprise'] }),
    );
    expect(await ask(`namespace=nobody&${CHAT}`)).toMatchObject(no('NO_ACTIVE_PURCHASE'));
  });

  it('is answered for a user in one namespace by the seats of that namespace', async () => {
    expect(await ask(`user=ada&namespace=both&${CHAT}`)).toMatchObject({ allowed: true });
    expect(await ask(`user=ada&namespace=core&${CHAT}`)).toMatchObject(no('NO_SEAT'));
  });

  it('is answered for what is free, what a plan lacks, and what nobody knows', async () => {
    expect(await ask('user=7&unit_primitive=security_scans')).toMatchObject({
      ...{ allowed: true, reason: 'FREE', until: null },
    });
    expect(await ask('namespace=premium&unit_primitive=explain_vulnerability')).toMatchObject(
      no('PLAN_NOT_ELIGIBLE', { eligible_plans: ['ultimate'] }),
    );
    expect(await ask('user=ada&unit_primitive=made_up')).toEqual(
      no('UNKNOWN_UNIT_PRIMITIVE', { unit_primitive: 'made_up' }),
    );
  });

  it('needs somebody and something to be about', async () => {
    const get = (query: string) => issuer.admin('GET', `allowed_to_use?${query}`);
    await expectProblem(await get(CHAT), 422, 'VALIDATION_FAILED', ['user']);
    await expectProblem(await get('user=7'), 422, 'VALIDATION_FAILED', ['unit_primitive']);
    await expectProblem(await get(`user=7&${CHAT}&x=1`), 422, 'VALIDATION_FAILED', ['x']);
  });
});

interface DecisionJson {
  readonly unit_primitive: string;
  readonly granted: boolean;
  readonly reason: string;
}

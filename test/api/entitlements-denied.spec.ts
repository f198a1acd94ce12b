import { recordPurchase, registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

interface EntitlementsJson {
  readonly denial: string | null;
  readonly scopes: readonly string[];
  readonly audiences: readonly string[];
  readonly decisions: readonly { readonly unit_primitive: string }[];
}

describe('the entitlements', () => {
  let issuer: TestIssuer;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock: new FakeClock(new Date('2026-03-10T12:00:00Z')) });
  });
  afterAll(() => issuer.stop());

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

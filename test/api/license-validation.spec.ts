import { licenseBody, registerLicense } from '../support/builders.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

const TOO_MANY = 2_147_483_648;

/** A member, and the values that neither a new license nor a change may give it. */
const REFUSED: readonly [member: string, value: unknown][] = [
  ['plan', 'free'],
  ['plan', 'Ultimate'],
  ['plan', ''],
  ['plan', null],
  ['plan', 1],
  ['plan', ['ultimate']],
  ['kind', 'cloud'],
  ['kind', null],
  ['kind', 0],
  ['trial', 'true'],
  ['trial', 1],
  ['trial', null],
  ['seats', '1'],
  ['seats', 0],
  ['seats', -1],
  ['seats', 1.5],
  ['seats', TOO_MANY],
  ['seats', true],
  ['seats', null],
  ['seats', [1]],
  ['starts_on', '2026-02-30'],
  ['starts_on', '2026-13-01'],
  ['starts_on', '2026-1-1'],
  ['starts_on', '2026-01-01T00:00:00Z'],
  ['starts_on', '0000-01-01'],
  ['starts_on', 20260101],
  ['starts_on', null],
  ['expires_on', '2027-02-29'],
  ['expires_on', 'never'],
  ['expires_on', 'infinity'],
  ['expires_on', ' 2027-01-01'],
  ['expires_on', null],
  ['licensee', 'Ada'],
  ['licensee', null],
  ['licensee', ['Ada']],
  ['customer_ref', ''],
  ['customer_ref', '   '],
  ['customer_ref', 7],
  ['customer_ref', 'with a \u0000 inside'],
  ['customer_ref', 'x'.repeat(256)],
  ['customer_ref', 'half a pair \ud83d'],
  ['shoe_size', 42],
  ['id', '00000000-0000-7000-8000-000000000000'],
  ['revoked_at', null],
  ['version', 2],
  // Every object inherits a member of these names, so a look-up by name finds something.
  ['constructor', 1],
  ['toString', 'x'],
];

describe('a license is refused by the name of the member', () => {
  let issuer: TestIssuer;
  let id: string;

  beforeAll(async () => {
    issuer = await startTestIssuer();
    ({ id } = await registerLicense(issuer));
  });
  afterAll(() => issuer.stop());

  it.each(REFUSED)('%s: %j', async (member, value) => {
    const created = await issuer.admin('POST', 'licenses', licenseBody({ [member]: value }));
    await expectProblem(created, 422, 'VALIDATION_FAILED', [`#/${member}`]);
    const changed = await issuer.admin('PATCH', `licenses/${id}`, { [member]: value });
    await expectProblem(changed, 422, 'VALIDATION_FAILED', [`#/${member}`]);
  });

  it.each([
    ['name', ''],
    ['name', 1],
    ['email', 'ada'],
    ['email', 'ada@'],
    ['email', 1],
    ['email', '\ud800@example.com'],
    ['email', '"a\nb"@example.com'],
    ['name', 'A\udc00da'],
    ['company', 'tab\tinside'],
    ['age', 36],
  ])('licensee/%s: %j', async (member, value) => {
    const licensee = { [member]: value };
    const response = await issuer.admin('POST', 'licenses', licenseBody({ licensee }));
    await expectProblem(response, 422, 'VALIDATION_FAILED', [`#/licensee/${member}`]);
  });

  it.each(['plan', 'kind', 'seats', 'starts_on', 'expires_on'])(
    'when it is new and %s is missing',
    async (member) => {
      const body = licenseBody({ [member]: undefined });
      const response = await issuer.admin('POST', 'licenses', body);
      await expectProblem(response, 422, 'VALIDATION_FAILED', [`#/${member}`]);
    },
  );

  it('and by its pointer where every object inherits such a member, or where it lies too deep', async () => {
    const inherited = licenseBody({ licensee: { valueOf: 1 } });
    const refused = await issuer.admin('POST', 'licenses', inherited);
    await expectProblem(refused, 422, 'VALIDATION_FAILED', ['#/licensee/valueOf']);

    const deep = `{"x":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
    const response = await fetch(`${issuer.url}/api/v1/licenses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${issuer.adminToken}`, 'content-type': 'application/json' },
      body: deep,
    });
    await expectProblem(response, 422, 'VALIDATION_FAILED', ['#']);
  });

  it('with every fault at once, a member with / and ~ escaped as RFC 6901 asks', async () => {
    const body = licenseBody({ seats: 0, kind: 'x', 'a/b~c': 1, licensee: { email: 'x' } });
    const places = ['#/seats', '#/kind', '#/a~1b~0c', '#/licensee/email'];
    await expectProblem(
      await issuer.admin('POST', 'licenses', body),
      422,
      'VALIDATION_FAILED',
      places,
    );
  });

  it.each(['2026-01-01', '2025-12-31'])(
    'expires_on: %s, not after the start',
    async (expires_on) => {
      const created = await issuer.admin('POST', 'licenses', licenseBody({ expires_on }));
      await expectProblem(created, 422, 'VALIDATION_FAILED', ['#/expires_on']);
      const changed = await issuer.admin('PATCH', `licenses/${id}`, { expires_on });
      await expectProblem(changed, 422, 'VALIDATION_FAILED', ['#/expires_on']);
      const moved = await issuer.admin('PATCH', `licenses/${id}`, { starts_on: '2027-01-01' });
      await expectProblem(moved, 422, 'VALIDATION_FAILED', ['#/expires_on']);
    },
  );

  it('license_key, when the database would keep another text than was sent', async () => {
    const body = licenseBody({ license_key: 'a key that ends in half a pair \ud83d' });
    const response = await issuer.admin('POST', 'licenses', body);
    await expectProblem(response, 422, 'VALIDATION_FAILED', ['#/license_key']);
  });

  it.each([5, 'x'.repeat(15), 'x'.repeat(65_537), ` ${'x'.repeat(15)} `])(
    'license_key, with the least and the most that it may have',
    async (license_key) => {
      const response = await issuer.admin('POST', 'licenses', licenseBody({ license_key }));
      const place = ['#/license_key'];
      const { errors } = await expectProblem(response, 422, 'VALIDATION_FAILED', place);
      expect(errors?.[0]?.detail).toMatch(/^must (be a text of|have) at least 16 /);
    },
  );

  it('license_key, in a change: the key of a license stays what it is', async () => {
    const change = { license_key: 'another key for the same license' };
    const response = await issuer.admin('PATCH', `licenses/${id}`, change);
    await expectProblem(response, 422, 'VALIDATION_FAILED', ['#/license_key']);
  });

  it.each([[[]], ['text'], [1], [null], [true]])('as a whole when the body is %j', async (body) => {
    const response = await issuer.admin('POST', 'licenses', body);
    await expectProblem(response, 422, 'VALIDATION_FAILED', ['#']);
  });

  it('and leaves the license as it was', async () => {
    const response = await issuer.admin('GET', `licenses/${id}`);
    expect(response.headers.get('etag')).toBe('"1"');
  });

  it('while the ends of each range are taken', async () => {
    for (const about of [
      { seats: 1 },
      { seats: TOO_MANY - 1 },
      { starts_on: '2024-02-29' },
      { expires_on: '2026-01-02' },
      { customer_ref: 'x'.repeat(255) },
      { customer_ref: null, licensee: { name: null } },
      { licensee: {} },
    ]) {
      const response = await issuer.admin('POST', 'licenses', licenseBody(about));
      expect({ about, status: response.status }).toEqual({ about, status: 201 });
    }
  });
});

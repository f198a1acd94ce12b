import { randomUUID } from 'node:crypto';
import { licenseBody, type LicenseJson, registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const INSTANCE_ID = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';

describe('registering a license', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  afterAll(() => issuer.stop());

  async function syncCode(licenseKey: string): Promise<string | null> {
    const identity = { licenseKey, instanceId: INSTANCE_ID };
    return (await new GitlabInstance(issuer.url, identity).sync()).code;
  }

  it('answers with what was registered, where it lies and its version', async () => {
    const response = await issuer.admin('POST', 'licenses', {
      plan: 'ultimate',
      kind: 'online_cloud',
      trial: true,
      seats: 100,
      starts_on: '2026-01-01',
      expires_on: '2027-01-01',
      licensee: { name: 'Ada', email: 'ada@example.com', company: 'Example' },
      customer_ref: 'C-1',
    });
    expect(response.status).toBe(201);
    const license = (await response.json()) as LicenseJson;
    expect(license).toEqual({
      id: expect.stringMatching(UUID_V7) as string,
      license_key: expect.stringMatching(/^cci_license_[\w-]{43}$/) as string,
      plan: 'ultimate',
      kind: 'online_cloud',
      trial: true,
      seats: 100,
      starts_on: '2026-01-01',
      expires_on: '2027-01-01',
      licensee: { name: 'Ada', email: 'ada@example.com', company: 'Example' },
      customer_ref: 'C-1',
      revoked_at: null,
      revocation_reason: null,
      created_at: '2026-03-10T12:00:00.000Z',
      updated_at: '2026-03-10T12:00:00.000Z',
      key_replaced_at: null,
      previous_key_valid_until: null,
    });
    expect(response.headers.get('location')).toBe(`${issuer.url}/api/v1/licenses/${license.id}`);
    expect(response.headers.get('etag')).toBe('"1"');
  });

  it('shows the generated key this once and never again', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    const answers = [
      await issuer.admin('GET', `licenses/${id}`),
      await issuer.admin('GET', 'licenses?per_page=100'),
      await issuer.admin('PATCH', `licenses/${id}`, { seats: 7 }),
      await issuer.admin('POST', `licenses/${id}/revoke`),
      await issuer.admin('POST', `licenses/${id}/reinstate`),
      await issuer.admin('GET', `licenses/${id}/entitlements`),
    ];
    for (const answer of answers) {
      expect(answer.status).toBe(200);
      const text = await answer.text();
      expect(text).not.toContain('license_key');
      expect(text).not.toContain(licenseKey);
    }
    expect(issuer.logs.join('')).not.toContain(licenseKey);
  });

  it('makes another key for each license, which its instance can sync with', async () => {
    const licenses = [await registerLicense(issuer), await registerLicense(issuer)] as const;
    expect(licenses[0].licenseKey).not.toBe(licenses[1].licenseKey);
    for (const { licenseKey } of licenses) expect(await syncCode(licenseKey)).toBeNull();
  });

  it('takes a key of the operator, and does not repeat it even once', async () => {
    const licenseKey = `a key that the vendor made\nin two lines ${randomUUID()}`;
    const body = licenseBody({ license_key: licenseKey });
    const response = await issuer.admin('POST', 'licenses', body);
    expect(response.status).toBe(201);
    const text = await response.text();
    expect(text).not.toContain('license_key');
    expect(text).not.toContain('vendor made');
    expect(await syncCode(licenseKey)).toBeNull();
  });

  it.each([
    ['the same', (key: string) => key],
    ['the same with a newline behind it', (key: string) => `${key}\n`],
    ['the same with the line ends of Windows', (key: string) => key.replaceAll('\n', '\r\n')],
    ['the same between blanks', (key: string) => `  ${key} \t`],
  ])('refuses %s key for a second license', async (_what, variant) => {
    const key = `first line ${randomUUID()}\nsecond line`;
    await registerLicense(issuer, { license_key: key });
    const again = licenseBody({ license_key: variant(key) });
    const response = await issuer.admin('POST', 'licenses', again);
    const problem = await expectProblem(response, 409, 'LICENSE_KEY_TAKEN', ['#/license_key']);
    expect(JSON.stringify(problem)).not.toContain('first line');
  });

  it('lets one of two registrations of a key win that come at once', async () => {
    const body = licenseBody({ license_key: `raced for ${randomUUID()}` });
    const answers = await Promise.all([
      issuer.admin('POST', 'licenses', body),
      issuer.admin('POST', 'licenses', body),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409]);
  });

  it('takes a key of 64 KiB', async () => {
    const licenseKey = randomUUID().padEnd(65_536, 'k');
    await registerLicense(issuer, { license_key: licenseKey });
    expect(await syncCode(licenseKey)).toBeNull();
  });

  it.each([
    ['longer than 64 KiB', 'k'.repeat(65_537)],
    ['short enough to be guessed', 'fifteen letters'],
    ['nothing but blanks, which an empty key would match', ' '.repeat(20)],
    ['short but for the blanks around it', `short${' '.repeat(20)}`],
    ['an activation code', 'Ab3dEf6hIj9kLm2nOp5qRs8t'],
    ['an activation code with a newline', 'Ab3dEf6hIj9kLm2nOp5qRs8t\n'],
    ['a number', 1234567890123456],
    ['null', null],
  ])('refuses a key that is %s', async (_what, license_key) => {
    const response = await issuer.admin('POST', 'licenses', licenseBody({ license_key }));
    await expectProblem(response, 422, 'VALIDATION_FAILED', ['#/license_key']);
    expect(await syncCode('')).toBe('LICENSE_NOT_FOUND');
  });

  it('fills what is left out with null and false', async () => {
    const { id, ...license } = await registerLicense(issuer);
    const defaults = {
      trial: false,
      licensee: { name: null, email: null, company: null },
      customer_ref: null,
    };
    expect(license).toMatchObject(defaults);
    expect(await (await issuer.admin('GET', `licenses/${id}`)).json()).toMatchObject(defaults);
  });

  it('can be read back as it was answered', async () => {
    const body = licenseBody({ license_key: `a key ${randomUUID()}`, licensee: { name: 'Ada' } });
    const created = await issuer.admin('POST', 'licenses', body);
    const license = (await created.json()) as LicenseJson;
    const response = await issuer.admin('GET', `licenses/${license.id.toUpperCase()}`);
    expect(response.headers.get('etag')).toBe('"1"');
    expect(await response.json()).toEqual(license);
  });

  it.each(['00000000-0000-7000-8000-000000000000', '1', 'x', '%00', "' OR 1=1"])(
    'leaves nothing to be read under the id %s',
    async (id) => {
      await expectProblem(await issuer.admin('GET', `licenses/${id}`), 404, 'NOT_FOUND');
    },
  );
});

import { registerLicense, registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance, type SyncAnswer } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { ledgerSize } from './ledger.js';

const INSTANCE_ID = '8d1c1f3e-2b7a-4c0e-9f53-6a1b2c3d4e5f';
const BURST = 100;

describe('the limit of failed look-ups', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;
  let licenseKey: string;

  beforeAll(async () => {
    // What the proxy says is believed, so that one test can come from several addresses.
    issuer = await startTestIssuer({ clock, environment: { TRUSTED_PROXIES: '127.0.0.1/32' } });
    ({ licenseKey } = await registerPaidLicense(issuer));
  });
  afterAll(() => issuer.stop());

  function sync(key: string, address: string): Promise<SyncAnswer> {
    const client = new GitlabInstance(issuer.url, { licenseKey: key, instanceId: INSTANCE_ID });
    const query =
      'query ($k: String!, $v: String!) { cloudConnectorAccess(licenseKey: $k, gitlabVersion: $v) { serviceToken { token expiresAt } } }';
    const body = { query, variables: { k: key, v: '18.6.0' } };
    return client.send(body, { 'x-forwarded-for': address });
  }

  /** All at once: the clock stands still, so their order is of no account. */
  async function guess(times: number, address: string): Promise<(string | null)[]> {
    const guesses = Array.from({ length: times }, (_, n) => sync(`guess ${n}`, address));
    return (await Promise.all(guesses)).map(({ code }) => code);
  }

  it('answers RATE_LIMITED as "try again", with the seconds to wait, and mints nothing', async () => {
    const before = await ledgerSize(issuer);
    expect(new Set(await guess(BURST, '198.51.100.1'))).toEqual(new Set(['LICENSE_NOT_FOUND']));
    const answer = await sync('one guess more', '198.51.100.1');
    expect(answer).toMatchObject({ status: 429, code: 'RATE_LIMITED', effect: 'asks again' });
    expect(answer.retryAfter).toMatch(/^[1-9]\d*$/);
    expect(Object.keys(JSON.parse(answer.text) as object)).toEqual(['errors']);
    expect(await ledgerSize(issuer)).toBe(before);
  });

  it('lets a good key from the same address through, as often as it comes', async () => {
    await guess(BURST + 1, '198.51.100.2');
    for (let n = 0; n < BURST / 2; n += 1) {
      expect((await sync(licenseKey, '198.51.100.2')).effect).toBe('stores the token');
    }
    expect(await guess(1, '198.51.100.2')).toEqual(['RATE_LIMITED']);
  });

  it('does not count syncs that succeed, nor denials of a known license', async () => {
    const { licenseKey: legacy } = await registerLicense(issuer, { kind: 'legacy' });
    for (let n = 0; n < BURST + 1; n += 1) {
      expect((await sync(legacy, '198.51.100.3')).code).toBe('LICENSE_NOT_CLOUD');
    }
    expect(await guess(1, '198.51.100.3')).toEqual(['LICENSE_NOT_FOUND']);
  });

  it('counts activation codes and endless keys too, which anybody can guess as well', async () => {
    await guess(BURST - 2, '198.51.100.4');
    expect((await sync('Ab3dEf6hIj9kLm2nOp5qRs8t', '198.51.100.4')).code).toBe(
      'ACTIVATION_CODE_GIVEN',
    );
    expect((await sync('k'.repeat(70_000), '198.51.100.4')).code).toBe('LICENSE_NOT_FOUND');
    expect((await sync('Ab3dEf6hIj9kLm2nOp5qRs8t', '198.51.100.4')).code).toBe('RATE_LIMITED');
  });

  it('is another one for each address', async () => {
    await guess(BURST + 1, '198.51.100.5');
    expect(await guess(1, '198.51.100.6')).toEqual(['LICENSE_NOT_FOUND']);
  });

  it('takes the addresses of one customer in IPv6, a /64, for one', async () => {
    await guess(BURST, '2001:db8:1:2::1');
    expect(await guess(1, '2001:db8:1:2:ffff::9')).toEqual(['RATE_LIMITED']);
    expect(await guess(1, '2001:db8:1:3::1')).toEqual(['LICENSE_NOT_FOUND']);
  });

  it('finds a /64 also where the address leaves its zeros out', async () => {
    await guess(BURST, '2001:db8::1');
    expect(await guess(1, '2001:db8::2')).toEqual(['RATE_LIMITED']);
    expect(await guess(1, '2001:db8:0:0:0:0:0:3')).toEqual(['RATE_LIMITED']);
    expect(await guess(1, '2001:db8:0:1::4')).toEqual(['LICENSE_NOT_FOUND']);
  });

  it('takes two addresses of IPv4 for two also where the listener shows them as IPv6', async () => {
    await guess(BURST, '::ffff:198.51.100.8');
    expect(await guess(1, '::ffff:198.51.100.8')).toEqual(['RATE_LIMITED']);
    expect(await guess(1, '::ffff:198.51.100.9')).toEqual(['LICENSE_NOT_FOUND']);
  });

  it('forgets a failure a second, as Retry-After promises', async () => {
    await guess(BURST + 1, '198.51.100.7');
    const { retryAfter } = await sync('a guess', '198.51.100.7');
    clock.advance(Number(retryAfter) * 1000);
    expect(await guess(1, '198.51.100.7')).toEqual(['LICENSE_NOT_FOUND']);
    expect(await guess(1, '198.51.100.7')).toEqual(['RATE_LIMITED']);
  });
});

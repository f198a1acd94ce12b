import { randomUUID } from 'node:crypto';
import { makeActivationCode, registerLicense, registerPaidLicense } from '../support/builders.js';
import { activate } from '../support/activation.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from '../api/problem.js';

const WEEK = 7 * 86_400_000;

/** What instances meet once the key of their license was replaced. */
describe('a replaced license key', () => {
  const clock = new FakeClock(new Date('2026-03-10T03:30:00Z'));
  let issuer: TestIssuer;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  beforeEach(() => {
    clock.set('2026-03-10T03:30:00Z');
  });
  afterAll(() => issuer.stop());

  async function seatLink(license_key: string, instance_id = randomUUID()) {
    const response = await fetch(`${issuer.url}/api/v1/seat_links`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ license_key, instance_id, billable_users_count: 3 }),
    });
    const json = (await response.json()) as { license?: string; errors?: string[] };
    return { status: response.status, license: json.license };
  }
  async function replaceKey(id: string, body?: object): Promise<string> {
    const response = await issuer.admin('POST', `licenses/${id}/replace_key`, body);
    return ((await response.json()) as { license_key: string }).license_key;
  }

  it('brings the new one by the next seat link, with which the instance goes on for good', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    const instanceId = randomUUID();
    await new GitlabInstance(issuer.url, { licenseKey, instanceId }).serviceToken();
    const replaced = await replaceKey(id);

    const { status, license } = await seatLink(licenseKey, instanceId);
    expect({ status, license }).toEqual({ status: 200, license: replaced });
    clock.advance(WEEK);
    const holder = new GitlabInstance(issuer.url, { licenseKey: replaced, instanceId });
    expect((await holder.sync()).effect).toBe('stores the token');
    expect(await seatLink(replaced, instanceId)).toEqual({ status: 200, license: replaced });
  });

  it('is unknown to seat links too once its grace is over', async () => {
    const { id, licenseKey } = await registerLicense(issuer);
    await replaceKey(id);
    clock.advance(WEEK - 1);
    expect((await seatLink(licenseKey)).status).toBe(200);
    clock.advance(1);
    expect(await seatLink(licenseKey)).toEqual({ status: 422, license: undefined });
  });

  it('is the same license in its grace: its purchases, its instance, its revoked tokens', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    const replaced = await replaceKey(id);
    const identity = { instanceId: randomUUID() };
    const [old, fresh] = [licenseKey, replaced].map(
      (key) => new GitlabInstance(issuer.url, { licenseKey: key, ...identity }),
    );
    expect((await old?.sync())?.effect).toBe('stores the token');
    expect((await fresh?.sync())?.effect).toBe('stores the token');
    const list = await issuer.admin('GET', `instances?license_id=${id}`);
    expect(((await list.json()) as { items: unknown[] }).items).toHaveLength(1);
    await issuer.admin('POST', `licenses/${id}/service_tokens/revoke`, { reason: 'stolen' });
    expect((await old?.sync())?.effect).toBe('deletes its tokens');
  });

  it('is handed out by an activation at once', async () => {
    const { id } = await registerLicense(issuer);
    const { code } = await makeActivationCode(issuer, id);
    const replaced = await replaceKey(id);
    const { payload } = await activate(issuer, code, randomUUID());
    expect(payload?.licenseKey).toBe(replaced);
  });

  describe('and the key that tells of a cancellation', () => {
    it('are two: an old key in its grace is refused as one', async () => {
      const { id, licenseKey } = await registerLicense(issuer);
      await replaceKey(id);
      const put = () =>
        issuer.admin('PUT', `licenses/${id}/cancellation_key`, { license_key: licenseKey });
      await expectProblem(await put(), 422, 'VALIDATION_FAILED', ['#/license_key']);
    });

    it('are two: one that becomes the key of the license announces no cancellation', async () => {
      const { id, licenseKey } = await registerLicense(issuer);
      const cancelled = `from a cancellation ${randomUUID()}`;
      await issuer.admin('PUT', `licenses/${id}/cancellation_key`, { license_key: cancelled });
      await replaceKey(id, { license_key: cancelled });
      await issuer.admin('POST', `licenses/${id}/revoke`);
      expect((await seatLink(licenseKey)).status).toBe(422);
    });
  });
});

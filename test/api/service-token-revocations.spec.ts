import { randomUUID } from 'node:crypto';
import { decodeJwt } from 'jose';
import { registerPaidLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { GitlabInstance } from '../support/gitlab-instance.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

interface RevocationJson {
  readonly id: string;
  readonly subject: string;
  readonly reason: string | null;
}

interface StandingJson {
  readonly license_id: string;
  readonly instance_id: string | null;
  readonly revocation: RevocationJson | null;
  readonly active: readonly RevocationJson[];
}

const DAY_MS = 86_400_000;
const START = '2026-03-10T12:00:00.000Z';

describe('revoking the tokens of a license or an instance', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;
  beforeAll(async () => {
    clock.set(START);
    issuer = await startTestIssuer({ clock });
  });
  beforeEach(() => {
    clock.set(START);
  });
  afterAll(() => issuer.stop());

  async function order(path: string, body?: object): Promise<StandingJson> {
    clock.advance(1);
    const response = await issuer.admin('POST', path, body);
    expect(response.status).toBe(200);
    return (await response.json()) as StandingJson;
  }
  async function items<Item>(path: string): Promise<Item[]> {
    const response = await issuer.admin('GET', path);
    expect(response.status).toBe(200);
    return ((await response.json()) as { items: Item[] }).items;
  }
  const synced = async (licenseKey: string, instanceId: string = randomUUID()) => {
    const { token } = await new GitlabInstance(issuer.url, {
      licenseKey,
      instanceId,
    }).serviceToken();
    return decodeJwt(token).jti ?? '';
  };
  const instanceIds = async (licenseId: string) =>
    (await items<{ id: string }>(`instances?license_id=${licenseId}`)).map(({ id }) => id);

  it('says what was done: how many live tokens, until when they would have lived, who and why', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await synced(licenseKey);
    clock.advance(3 * DAY_MS);
    await synced(licenseKey);
    await synced(licenseKey);
    clock.advance(1000);
    const standing = await order(`licenses/${id}/service_tokens/revoke`, { reason: 'stolen' });
    const revocation = {
      id: expect.any(String) as string,
      subject: 'license',
      jti: null,
      license_id: id,
      instance_id: null,
      user: null,
      namespace: null,
      reason: 'stolen',
      revoked_at: clock.now().toISOString(),
      revoked_by: 'bootstrap',
      live_tokens: 2,
      last_expires_at: '2026-03-16T12:00:00.000Z',
      restored_at: null,
      restored_by: null,
      restore_reason: null,
    };
    expect(standing).toEqual({
      license_id: id,
      instance_id: null,
      revocation,
      active: [revocation],
    });
  });

  it('twice does nothing, and answers the same with the first reason', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await synced(licenseKey);
    const [instanceId] = await instanceIds(id);
    for (const owner of [`licenses/${id}`, `instances/${instanceId ?? ''}`]) {
      const first = await order(`${owner}/service_tokens/revoke`, { reason: 'first' });
      expect(await order(`${owner}/service_tokens/revoke`, { reason: 'second' })).toEqual(first);
    }
  });

  it('is lifted by a restoration, of which who and why are kept, too', async () => {
    const { id } = await registerPaidLicense(issuer);
    const revoked = await order(`licenses/${id}/service_tokens/revoke`, { reason: 'a mistake' });
    const restored = await order(`licenses/${id}/service_tokens/restore`, { reason: 'sorry' });
    const at = clock.now().toISOString();
    expect(restored).toEqual({
      ...revoked,
      revocation: {
        ...revoked.revocation,
        restored_at: at,
        restored_by: 'bootstrap',
        restore_reason: 'sorry',
      },
      active: [],
    });
    expect(await order(`licenses/${id}/service_tokens/restore`, { reason: 'again' })).toEqual(
      restored,
    );
  });

  it('has nothing to lift where nothing was revoked', async () => {
    const { id } = await registerPaidLicense(issuer);
    expect(await order(`licenses/${id}/service_tokens/restore`)).toEqual({
      license_id: id,
      instance_id: null,
      revocation: null,
      active: [],
    });
  });

  it('leaves revoked what was revoked when it is lifted', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    const before = await synced(licenseKey);
    await order(`licenses/${id}/service_tokens/revoke`);
    await order(`licenses/${id}/service_tokens/restore`);
    const after = await synced(licenseKey);
    const tokens = await items<{ jti: string; revoked_at: string | null }>(
      `service_tokens?license_id=${id}`,
    );
    expect(tokens).toMatchObject([
      { jti: before, revoked_at: '2026-03-10T12:00:00.001Z' },
      { jti: after, revoked_at: null },
    ]);
  });

  it('of an instance takes its tokens, and shows what stands against it as one of the license', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await synced(licenseKey);
    clock.advance(1);
    await synced(licenseKey);
    const [one, other] = (await instanceIds(id)).map((row) => `instances/${row}/service_tokens`);
    const ofOne = await order(`${one ?? ''}/revoke`);
    expect(ofOne.revocation).toMatchObject({ subject: 'instance', live_tokens: 1 });
    const ofAll = await order(`licenses/${id}/service_tokens/revoke`);
    // The token of the one was taken before.
    expect(ofAll.revocation).toMatchObject({ subject: 'license', live_tokens: 1 });
    expect((await order(`${one ?? ''}/restore`)).active).toEqual(ofAll.active);
    expect((await order(`${other ?? ''}/restore`)).active).toEqual(ofAll.active);
    expect((await order(`${one ?? ''}/revoke`)).active).toHaveLength(2);
  });

  it('has a history, by license and by instance', async () => {
    const { id, licenseKey } = await registerPaidLicense(issuer);
    await synced(licenseKey);
    const [instance = ''] = await instanceIds(id);
    const made: string[] = [];
    for (const owner of [`licenses/${id}`, `instances/${instance}`, `licenses/${id}`]) {
      const { revocation } = await order(`${owner}/service_tokens/revoke`);
      made.push(revocation?.id ?? '');
      if (owner.startsWith('licenses')) await order(`${owner}/service_tokens/restore`);
    }
    const listed = async (query: string) =>
      (await items<RevocationJson>(`service_token_revocations?${query}`)).map((one) =>
        made.indexOf(one.id),
      );
    expect(await listed(`license_id=${id}`)).toEqual([0, 1, 2]);
    expect(await listed(`license_id=${id}&active=true`)).toEqual([1]);
    expect(await listed(`license_id=${id}&active=false`)).toEqual([0, 2]);
    expect(await listed(`instance_id=${instance}`)).toEqual([1]);
    expect(await listed(`license_id=${id}&per_page=1&cursor=${made[0] ?? ''}`)).toEqual([1]);
    expect(await listed(`license_id=${randomUUID()}`)).toEqual([]);
  });

  it.each(['licenses', 'instances'])('is NOT_FOUND for %s that are not there', async (owners) => {
    for (const action of ['revoke', 'restore']) {
      const path = `${owners}/${randomUUID()}/service_tokens/${action}`;
      await expectProblem(await issuer.admin('POST', path), 404, 'NOT_FOUND');
    }
  });

  it('takes a reason, and refuses any other member by name', async () => {
    const { id } = await registerPaidLicense(issuer);
    for (const action of ['revoke', 'restore']) {
      const path = `licenses/${id}/service_tokens/${action}`;
      const body = { reason: 'x', until: 'tomorrow' };
      const refused = await issuer.admin('POST', path, body);
      await expectProblem(refused, 422, 'VALIDATION_FAILED', ['#/until']);
      for (const reason of ['', null, 1, 'x'.repeat(1001)]) {
        const wrong = await issuer.admin('POST', path, { reason });
        await expectProblem(wrong, 422, 'VALIDATION_FAILED', ['#/reason']);
      }
    }
    const query = await issuer.admin('GET', 'service_token_revocations?active=yes');
    await expectProblem(query, 422, 'VALIDATION_FAILED', ['active']);
  });

  it('is for admins', async () => {
    for (const [method, path] of [
      ['POST', `licenses/${randomUUID()}/service_tokens/revoke`],
      ['POST', `instances/${randomUUID()}/service_tokens/restore`],
      ['GET', 'service_token_revocations'],
    ] as const) {
      const response = await fetch(`${issuer.url}/api/v1/${path}`, { method });
      await expectProblem(response, 401, 'UNAUTHENTICATED');
    }
  });
});

import { select } from '../contract/ledger.js';
import { type LicenseJson, registerLicense } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

describe('changing a license', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;
  let id: string;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  beforeEach(async () => {
    clock.set('2026-03-10T12:00:00Z');
    const licensee = { name: 'Ada', email: 'ada@example.com', company: 'Example' };
    ({ id } = await registerLicense(issuer, { licensee, customer_ref: 'C-1' }));
    clock.advance(60_000);
  });
  afterAll(() => issuer.stop());

  const at = (path = '') => `licenses/${id}${path}`;

  async function change(body: object, headers?: Record<string, string>) {
    const response = await issuer.admin('PATCH', at(), body, headers);
    expect(response.status).toBe(200);
    return {
      license: (await response.json()) as LicenseJson,
      etag: response.headers.get('etag'),
    };
  }

  async function versions(): Promise<{ version: number; seats: number; reason: string | null }[]> {
    return select(
      issuer,
      `SELECT version, seats, revocation_reason AS reason FROM licenses_history
       WHERE id = $1 ORDER BY version`,
      [id],
    );
  }

  it('changes what the body names and leaves the rest', async () => {
    const { license, etag } = await change({ seats: 5, plan: 'premium', trial: true });
    expect(license).toMatchObject({
      id,
      seats: 5,
      plan: 'premium',
      trial: true,
      kind: 'online_cloud',
      starts_on: '2026-01-01',
      customer_ref: 'C-1',
      licensee: { name: 'Ada', email: 'ada@example.com', company: 'Example' },
      created_at: '2026-03-10T12:00:00.000Z',
      updated_at: '2026-03-10T12:01:00.000Z',
    });
    expect(etag).toBe('"2"');
    expect(await (await issuer.admin('GET', at())).json()).toEqual(license);
  });

  it('changes a member of the licensee alone, and clears with null', async () => {
    const { license } = await change({ licensee: { email: null }, customer_ref: null });
    expect(license.licensee).toEqual({ name: 'Ada', email: null, company: 'Example' });
    expect(license.customer_ref).toBeNull();
  });

  it('counts no version when nothing changes', async () => {
    expect((await change({})).etag).toBe('"1"');
    const { license, etag } = await change({ seats: 100, licensee: { name: 'Ada' } });
    expect(etag).toBe('"1"');
    expect(license.updated_at).toBe('2026-03-10T12:00:00.000Z');
    expect(await versions()).toHaveLength(1);
  });

  it('keeps every state that the license was ever in', async () => {
    await change({ seats: 5 });
    await issuer.admin('POST', at('/revoke'), { reason: 'refunded' });
    await issuer.admin('POST', at('/reinstate'));
    expect(await versions()).toEqual([
      { version: 1, seats: 100, reason: null },
      { version: 2, seats: 5, reason: null },
      { version: 3, seats: 5, reason: 'refunded' },
      { version: 4, seats: 5, reason: null },
    ]);
  });

  it('of two changes at once loses neither', async () => {
    await Promise.all([change({ seats: 5 }), change({ plan: 'premium' }), change({ trial: true })]);
    const license = await (await issuer.admin('GET', at())).json();
    expect(license).toMatchObject({ seats: 5, plan: 'premium', trial: true });
    expect(await versions()).toHaveLength(4);
  });

  describe('with If-Match', () => {
    it.each(['"1"', '*', '"7", "1"'])(
      'goes through while the license is at %s',
      async (ifMatch) => {
        expect((await change({ seats: 5 }, { 'if-match': ifMatch })).etag).toBe('"2"');
      },
    );

    it.each(['"2"', '"0"', 'W/"1"', '1', '"7", "8"'])(
      '%s is stale: 412, and nothing happens',
      async (ifMatch) => {
        const headers = { 'if-match': ifMatch };
        for (const [method, path, body] of [
          ['PATCH', '', { seats: 5 }],
          ['POST', '/revoke', {}],
          ['POST', '/reinstate', undefined],
        ] as const) {
          const response = await issuer.admin(method, at(path), body, headers);
          await expectProblem(response, 412, 'PRECONDITION_FAILED');
        }
        expect(await versions()).toHaveLength(1);
      },
    );

    it('lets one of two changes win that start from the same version', async () => {
      const headers = { 'if-match': '"1"' };
      const answers = await Promise.all(
        [5, 6].map((seats) => issuer.admin('PATCH', at(), { seats }, headers)),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 412]);
    });
  });

  describe('revoke and reinstate', () => {
    it('note when and why, and take both back', async () => {
      const revoked = await issuer.admin('POST', at('/revoke'), { reason: 'refunded' });
      expect(revoked.status).toBe(200);
      expect(revoked.headers.get('etag')).toBe('"2"');
      expect(await revoked.json()).toMatchObject({
        revoked_at: '2026-03-10T12:01:00.000Z',
        revocation_reason: 'refunded',
      });
      const reinstated = await issuer.admin('POST', at('/reinstate'));
      expect(await reinstated.json()).toMatchObject({ revoked_at: null, revocation_reason: null });
    });

    it('need no body', async () => {
      const response = await issuer.admin('POST', at('/revoke'));
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ revocation_reason: null });
    });

    it('take an empty one', async () => {
      for (const action of ['/revoke', '/reinstate']) {
        expect((await issuer.admin('POST', at(action), {})).status).toBe(200);
      }
    });

    it('do nothing the second time', async () => {
      await issuer.admin('POST', at('/revoke'), { reason: 'refunded' });
      clock.advance(60_000);
      const again = await issuer.admin('POST', at('/revoke'), { reason: 'another' });
      expect(again.headers.get('etag')).toBe('"2"');
      expect(await again.json()).toMatchObject({
        revoked_at: '2026-03-10T12:01:00.000Z',
        revocation_reason: 'refunded',
      });
      for (const etag of ['"3"', '"3"']) {
        expect((await issuer.admin('POST', at('/reinstate'))).headers.get('etag')).toBe(etag);
      }
    });

    it.each([
      [{ reason: '' }, '#/reason'],
      [{ reason: 1 }, '#/reason'],
      [{ reason: null }, '#/reason'],
      [{ reason: 'x'.repeat(1001) }, '#/reason'],
      [{ because: 'refunded' }, '#/because'],
      [['refunded'], '#'],
    ])('refuse the body %j', async (body, place) => {
      for (const action of ['/revoke', '/reinstate']) {
        const response = await issuer.admin('POST', at(action), body);
        await expectProblem(response, 422, 'VALIDATION_FAILED', [place]);
      }
    });
  });

  it.each([
    ['PATCH', ''],
    ['POST', '/revoke'],
    ['POST', '/reinstate'],
  ])('finds nothing to %s%s under an unknown or a malformed id', async (method, path) => {
    for (const unknown of ['00000000-0000-7000-8000-000000000000', 'no-uuid']) {
      const response = await issuer.admin(method, `licenses/${unknown}${path}`, {});
      await expectProblem(response, 404, 'NOT_FOUND');
    }
  });

  it('never deletes: there is no such method', async () => {
    await expectProblem(await issuer.admin('DELETE', at()), 404, 'NOT_FOUND');
  });
});

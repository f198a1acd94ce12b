import { select } from '../contract/ledger.js';
import {
  type PurchaseJson,
  purchaseBody,
  recordPurchase,
  registerLicense,
} from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

describe('an add-on purchase', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;
  let licenseId: string;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  beforeEach(async () => {
    clock.set('2026-03-10T12:00:00Z');
    ({ id: licenseId } = await registerLicense(issuer));
  });
  afterAll(() => issuer.stop());

  function post(about: Record<string, unknown> = {}): Promise<Response> {
    const body = purchaseBody(about);
    return issuer.admin('POST', `licenses/${licenseId}/add_on_purchases`, body);
  }

  async function versions(id: string) {
    return select<{ version: number; expires_on: string; voided: boolean }>(
      issuer,
      `SELECT version, expires_on::text, voided_at IS NOT NULL AS voided
       FROM add_on_purchases_history WHERE id = $1 ORDER BY version`,
      [id],
    );
  }

  describe('that is changed', () => {
    it('changes what the body names, and keeps what it was', async () => {
      const { id } = await recordPurchase(issuer, licenseId);
      clock.advance(60_000);
      const response = await issuer.admin(
        'PATCH',
        `add_on_purchases/${id}`,
        { quantity: 75, expires_on: '2028-01-01', purchase_xid: 'A-2', started_at: null },
        { 'if-match': '"1"' },
      );
      expect(response.status).toBe(200);
      expect(response.headers.get('etag')).toBe('"2"');
      expect(await response.json()).toMatchObject({
        quantity: 75,
        started_at: null,
        expires_on: '2028-01-01',
        purchase_xid: 'A-2',
        add_on: 'duo_enterprise',
        created_at: '2026-03-10T12:00:00.000Z',
        updated_at: '2026-03-10T12:01:00.000Z',
      });
      expect(await versions(id)).toEqual([
        { version: 1, expires_on: '2027-01-01', voided: false },
        { version: 2, expires_on: '2028-01-01', voided: false },
      ]);
    });

    it('counts no version when nothing changes', async () => {
      const { id } = await recordPurchase(issuer, licenseId);
      for (const body of [{}, { quantity: 50 }]) {
        const response = await issuer.admin('PATCH', `add_on_purchases/${id}`, body);
        expect(response.headers.get('etag')).toBe('"1"');
      }
      expect(await versions(id)).toHaveLength(1);
    });

    it('from a stale version is refused with 412', async () => {
      const { id } = await recordPurchase(issuer, licenseId);
      const stale = { 'if-match': '"2"' };
      for (const [method, body] of [
        ['PATCH', { quantity: 1 }],
        ['DELETE', undefined],
      ] as const) {
        const response = await issuer.admin(method, `add_on_purchases/${id}`, body, stale);
        await expectProblem(response, 412, 'PRECONDITION_FAILED');
      }
      expect(await versions(id)).toHaveLength(1);
    });
  });

  describe('that is deleted', () => {
    const end = async (id: string) => {
      const response = await issuer.admin('DELETE', `add_on_purchases/${id}`);
      expect(response.status).toBe(200);
      return {
        purchase: (await response.json()) as PurchaseJson,
        etag: response.headers.get('etag'),
      };
    };

    it('ends today, stays in the list, and a second time does nothing', async () => {
      const { id } = await recordPurchase(issuer, licenseId);
      const { purchase, etag } = await end(id);
      expect(purchase).toMatchObject({ expires_on: '2026-03-10', voided_at: null });
      expect(etag).toBe('"2"');
      clock.advance(2 * 86_400_000);
      expect(await end(id)).toEqual({ purchase, etag });
      const list = await issuer.admin(
        'GET',
        `licenses/${licenseId}/add_on_purchases?phase=expired`,
      );
      expect(await list.json()).toMatchObject({ items: [{ id }] });
      expect((await versions(id)).map(({ expires_on }) => expires_on)).toEqual([
        '2027-01-01',
        '2026-03-10',
      ]);
    });

    it('may be ended on its first day', async () => {
      const { id } = await recordPurchase(issuer, licenseId, { started_at: '2026-03-10' });
      expect((await end(id)).purchase.expires_on).toBe('2026-03-10');
    });

    it('is voided when it has not started, and a second time does nothing', async () => {
      const { id } = await recordPurchase(issuer, licenseId, { started_at: '2026-03-11' });
      const { purchase, etag } = await end(id);
      expect(purchase).toMatchObject({
        expires_on: '2027-01-01',
        voided_at: '2026-03-10T12:00:00.000Z',
      });
      clock.advance(60_000);
      expect(await end(id)).toEqual({ purchase, etag });
      expect((await versions(id)).map(({ voided }) => voided)).toEqual([false, true]);
      const change = await issuer.admin('PATCH', `add_on_purchases/${id}`, { quantity: 2 });
      await expectProblem(change, 409, 'PURCHASE_ENDED');
    });

    it('when it is over stays as it is', async () => {
      const days = { started_at: '2025-01-01', expires_on: '2026-03-10' };
      const { id } = await recordPurchase(issuer, licenseId, days);
      expect(await end(id)).toMatchObject({ purchase: days, etag: '"1"' });
    });

    it('makes room for another in the same days', async () => {
      const ended = await recordPurchase(issuer, licenseId);
      await end(ended.id);
      const voided = await recordPurchase(issuer, licenseId, { started_at: '2026-04-01' });
      await end(voided.id);
      expect((await post({ started_at: '2026-03-10' })).status).toBe(201);
    });
  });
});

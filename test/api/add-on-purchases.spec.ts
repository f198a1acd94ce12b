import {
  type PurchaseJson,
  purchaseBody,
  recordPurchase,
  registerLicense,
} from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

const UNKNOWN = '00000000-0000-7000-8000-000000000000';

describe('an add-on purchase', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;
  let licenseId: string;

  beforeAll(async () => {
    clock.set('2026-03-10T12:00:00Z');
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

  describe('that is recorded', () => {
    it('is answered as it was recorded, with where it lies and its version', async () => {
      const response = await post({ purchase_xid: 'A-S00001', trial: true });
      expect(response.status).toBe(201);
      const purchase = (await response.json()) as PurchaseJson;
      expect(purchase).toEqual({
        id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
        license_id: licenseId,
        namespace_id: null,
        add_on: 'duo_enterprise',
        quantity: 50,
        assigned_seats: 0,
        started_at: '2026-01-01',
        expires_on: '2027-01-01',
        purchase_xid: 'A-S00001',
        trial: true,
        voided_at: null,
        created_at: '2026-03-10T12:00:00.000Z',
        updated_at: '2026-03-10T12:00:00.000Z',
      });
      const url = `${issuer.url}/api/v1/add_on_purchases/${purchase.id}`;
      expect(response.headers.get('location')).toBe(url);
      expect(response.headers.get('etag')).toBe('"1"');
      const read = await issuer.admin('GET', `add_on_purchases/${purchase.id}`);
      expect(await read.json()).toEqual(purchase);
      expect(read.headers.get('etag')).toBe('"1"');
    });

    it('may leave out what has a default', async () => {
      const purchase = await recordPurchase(issuer, licenseId, { started_at: undefined });
      expect(purchase).toMatchObject({ started_at: null, purchase_xid: null, trial: false });
    });

    it('has days of its own, past and future ones too, whatever those of the license are', async () => {
      for (const [started_at, expires_on] of [
        ['2019-01-01', '2020-01-01'],
        ['2040-01-01', '2041-01-01'],
      ]) {
        expect((await post({ started_at, expires_on })).status).toBe(201);
      }
    });

    it('under the old name of Duo Pro is one of Duo Pro everywhere', async () => {
      const purchase = await recordPurchase(issuer, licenseId, { add_on: 'code_suggestions' });
      expect(purchase.add_on).toBe('duo_pro');
      const read = await issuer.admin('GET', `add_on_purchases/${purchase.id}`);
      expect(await read.json()).toMatchObject({ add_on: 'duo_pro' });
      for (const name of ['duo_pro', 'code_suggestions']) {
        const path = `licenses/${licenseId}/add_on_purchases?add_on=${name}`;
        const list = await issuer.admin('GET', path);
        expect(await list.json()).toMatchObject({ items: [{ id: purchase.id }] });
      }
      await expectProblem(await post({ add_on: 'duo_pro' }), 409, 'PURCHASE_OVERLAPS');
    });
  });

  describe('of the same add-on', () => {
    it.each([
      ['the same days', '2026-01-01', '2027-01-01'],
      ['days inside', '2026-05-01', '2026-06-01'],
      ['days around', '2025-01-01', '2028-01-01'],
      ['the first day', '2025-01-01', '2026-01-02'],
      ['the last day', '2026-12-31', '2028-01-01'],
      ['every day up to an end', null, '2026-06-01'],
    ])('may not have %s of another', async (_what, started_at, expires_on) => {
      await recordPurchase(issuer, licenseId);
      await expectProblem(await post({ started_at, expires_on }), 409, 'PURCHASE_OVERLAPS');
    });

    it.each([
      ['before', '2025-01-01', '2026-01-01'],
      ['after', '2027-01-01', '2028-01-01'],
      ['before, from ever', null, '2026-01-01'],
    ])('may be adjacent to another, %s it', async (_what, started_at, expires_on) => {
      await recordPurchase(issuer, licenseId);
      expect((await post({ started_at, expires_on })).status).toBe(201);
    });

    it('may be held by another license, and another add-on by the same', async () => {
      await recordPurchase(issuer, licenseId);
      await recordPurchase(issuer, licenseId, { add_on: 'duo_core' });
      const other = await registerLicense(issuer);
      await recordPurchase(issuer, other.id);
    });

    it('is recorded once when two come at once', async () => {
      const answers = await Promise.all([post(), post(), post()]);
      expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409]);
    });

    it('may not be moved into the days of another', async () => {
      await recordPurchase(issuer, licenseId);
      const { id } = await recordPurchase(issuer, licenseId, {
        started_at: '2027-01-01',
        expires_on: '2028-01-01',
      });
      const change = { started_at: '2026-12-31' };
      const response = await issuer.admin('PATCH', `add_on_purchases/${id}`, change);
      await expectProblem(response, 409, 'PURCHASE_OVERLAPS');
    });
  });

  it.each([
    ['PATCH', { quantity: 2 }],
    ['GET', undefined],
    ['DELETE', undefined],
  ])('that nobody recorded is not there to %s', async (method, body) => {
    for (const id of [UNKNOWN, 'no-uuid']) {
      await expectProblem(
        await issuer.admin(method, `add_on_purchases/${id}`, body),
        404,
        'NOT_FOUND',
      );
    }
  });

  it('needs a license that exists', async () => {
    for (const id of [UNKNOWN, 'no-uuid']) {
      for (const [method, body] of [
        ['POST', purchaseBody()],
        ['GET', undefined],
      ] as const) {
        const response = await issuer.admin(method, `licenses/${id}/add_on_purchases`, body);
        await expectProblem(response, 404, 'NOT_FOUND');
      }
    }
  });
});

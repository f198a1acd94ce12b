import { ReleaseAbandonedSeats } from '../../src/add-on-purchases/release-abandoned-seats.js';
import { select } from '../contract/ledger.js';
import {
  assignSeats,
  purchaseBody,
  type PurchaseJson,
  recordNamespacePurchase,
  recordPurchase,
  registerLicense,
} from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

const UNKNOWN = '00000000-0000-7000-8000-000000000000';
const REFUSED: readonly [member: string, value: unknown][] = [
  ['add_on', 'duo_ultra'],
  ['add_on', 'Duo_Pro'],
  ['add_on', ''],
  ['add_on', null],
  ['add_on', ['duo_pro']],
  ['quantity', '1'],
  ['quantity', 0],
  ['quantity', -5],
  ['quantity', 2.5],
  ['quantity', 2_147_483_648],
  ['quantity', null],
  ['quantity', true],
  ['started_at', '2026-02-30'],
  ['started_at', '2026-01-01T00:00:00Z'],
  ['started_at', ''],
  ['started_at', 0],
  ['expires_on', '2026-02-30'],
  ['expires_on', '27-01-01'],
  ['expires_on', null],
  ['purchase_xid', ''],
  ['purchase_xid', 7],
  ['purchase_xid', 'a\nb'],
  ['trial', 'false'],
  ['trial', 0],
  ['trial', null],
  ['voided_at', null],
  ['license_id', '00000000-0000-7000-8000-000000000000'],
  ['plan', 'ultimate'],
];

const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
let issuer: TestIssuer;

beforeAll(async () => {
  issuer = await startTestIssuer({ clock });
});
afterAll(() => issuer.stop());

describe('an add-on purchase', () => {
  let licenseId: string;

  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });
  beforeEach(async () => {
    clock.set('2026-03-10T12:00:00Z');
    ({ id: licenseId } = await registerLicense(issuer));
  });

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

    it('has days of its own, past and future ones too, independent of its license', async () => {
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

    it('is recorded once when two requests come at the same time', async () => {
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

describe('an add-on purchase', () => {
  let licenseId: string;

  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });
  beforeEach(async () => {
    clock.set('2026-03-10T12:00:00Z');
    ({ id: licenseId } = await registerLicense(issuer));
  });

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

describe('an add-on purchase is refused by the name of the member', () => {
  let list: string;
  let item: string;

  beforeAll(async () => {
    clock.set('2026-03-10T12:00:00Z');
    const license = await registerLicense(issuer);
    list = `licenses/${license.id}/add_on_purchases`;
    item = `add_on_purchases/${(await recordPurchase(issuer, license.id)).id}`;
  });

  it.each(REFUSED)('%s: %j', async (member, value) => {
    const created = await issuer.admin('POST', list, purchaseBody({ [member]: value }));
    await expectProblem(created, 422, 'VALIDATION_FAILED', [`#/${member}`]);
    const changed = await issuer.admin('PATCH', item, { [member]: value });
    await expectProblem(changed, 422, 'VALIDATION_FAILED', [`#/${member}`]);
  });

  it.each(['add_on', 'quantity', 'expires_on'])('when %s is missing', async (member) => {
    const response = await issuer.admin('POST', list, purchaseBody({ [member]: undefined }));
    await expectProblem(response, 422, 'VALIDATION_FAILED', [`#/${member}`]);
  });

  it.each(['2026-01-01', '2025-12-31'])(
    'expires_on: %s, not after the start',
    async (expires_on) => {
      const created = await issuer.admin('POST', list, purchaseBody({ expires_on }));
      await expectProblem(created, 422, 'VALIDATION_FAILED', ['#/expires_on']);
      const changed = await issuer.admin('PATCH', item, { expires_on });
      await expectProblem(changed, 422, 'VALIDATION_FAILED', ['#/expires_on']);
      const moved = await issuer.admin('PATCH', item, { started_at: '2027-01-01' });
      await expectProblem(moved, 422, 'VALIDATION_FAILED', ['#/expires_on']);
    },
  );

  it('as a whole when the body is a list', async () => {
    for (const [method, path] of [
      ['POST', list],
      ['PATCH', item],
    ] as const) {
      const response = await issuer.admin(method, path, [purchaseBody()]);
      await expectProblem(response, 422, 'VALIDATION_FAILED', ['#']);
    }
  });

  it('and stays as it was', async () => {
    expect((await issuer.admin('GET', item)).headers.get('etag')).toBe('"1"');
    expect(((await (await issuer.admin('GET', list)).json()) as { items: [] }).items).toHaveLength(
      1,
    );
  });
});

describe('a namespace', () => {
  let namespaces = 0;
  let namespace: string;

  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });
  beforeEach(() => {
    clock.set('2026-03-10T12:00:00Z');
    namespaces += 1;
    namespace = String(namespaces);
  });

  const post = (about: Record<string, unknown>, of = namespace) =>
    issuer.admin('POST', `namespaces/${of}/add_on_purchases`, purchaseBody(about));

  it('becomes known, with its plan, by the first purchase for it', async () => {
    await expectProblem(await issuer.admin('GET', `namespaces/${namespace}`), 404, 'NOT_FOUND');
    const response = await post({ plan: 'premium' });
    expect(response.status).toBe(201);
    const purchase = (await response.json()) as PurchaseJson;
    expect(purchase).toMatchObject({
      ...{ license_id: null, namespace_id: namespace, add_on: 'duo_enterprise', quantity: 50 },
      assigned_seats: 0,
    });
    const url = `${issuer.url}/api/v1/add_on_purchases/${purchase.id}`;
    expect(response.headers.get('location')).toBe(url);
    expect(response.headers.get('etag')).toBe('"1"');
    const read = await issuer.admin('GET', `add_on_purchases/${purchase.id}`);
    expect(await read.json()).toEqual(purchase);
    expect(await (await issuer.admin('GET', `namespaces/${namespace}`)).json()).toEqual({
      ...{ id: namespace, plan: 'premium' },
      ...{ created_at: '2026-03-10T12:00:00.000Z', updated_at: '2026-03-10T12:00:00.000Z' },
    });
  });

  it('needs a plan that the catalog has, with the first purchase only', async () => {
    await expectProblem(await post({}), 422, 'VALIDATION_FAILED', ['#/plan']);
    await expectProblem(await post({ plan: 'gold' }), 422, 'VALIDATION_FAILED', ['#/plan']);
    expect((await issuer.admin('GET', `namespaces/${namespace}`)).status).toBe(404);
    await recordNamespacePurchase(issuer, namespace);
    expect((await post({})).status).toBe(201);
  });

  it('keeps its plan when a later purchase names another one', async () => {
    await recordNamespacePurchase(issuer, namespace, { plan: 'premium' });
    const response = await post({ plan: 'ultimate' });
    expect(await response.clone().json()).toMatchObject({ plan: 'premium' });
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({ code: 'NAMESPACE_PLAN_DIFFERS' });
    expect((await post({ plan: 'premium' })).status).toBe(201);
  });

  it('changes its plan, if If-Match names the last version', async () => {
    await recordNamespacePurchase(issuer, namespace, { plan: 'premium' });
    const patch = (plan: string, tag: string) =>
      issuer.admin('PATCH', `namespaces/${namespace}`, { plan }, { 'if-match': tag });
    const changed = await patch('ultimate', '"1"');
    expect(changed.headers.get('etag')).toBe('"2"');
    expect(await changed.json()).toMatchObject({ plan: 'ultimate' });
    await expectProblem(await patch('premium', '"1"'), 412, 'PRECONDITION_FAILED');
    await expectProblem(await patch('gold', '"2"'), 422, 'VALIDATION_FAILED', ['#/plan']);
  });

  it('is created once by many first purchases at the same time', async () => {
    const addOns = ['duo_core', 'duo_pro', 'duo_enterprise', 'duo_amazon_q'];
    const responses = await Promise.all(addOns.map((add_on) => post({ add_on, plan: 'ultimate' })));
    expect(responses.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
  });

  it('never has an add-on twice at a time; licenses and other namespaces do not count', async () => {
    await recordNamespacePurchase(issuer, namespace);
    await expectProblem(await post({ add_on: 'duo_pro' }), 409, 'PURCHASE_OVERLAPS');
    await recordNamespacePurchase(issuer, `${namespace}/other`.replace('/', '-'));
    await recordPurchase(issuer, (await registerLicense(issuer)).id, { add_on: 'duo_pro' });
  });

  it('lists its purchases in pages, by add-on and phase', async () => {
    for (const add_on of ['duo_core', 'duo_pro', 'duo_enterprise']) {
      await recordNamespacePurchase(issuer, namespace, { add_on });
      // Purchases of one millisecond have no order.
      clock.advance(1);
    }
    const path = `namespaces/${namespace}/add_on_purchases`;
    const first = await issuer.admin('GET', `${path}?per_page=2`);
    const page = (await first.json()) as { items: PurchaseJson[]; next_cursor: string };
    expect(page.items.map(({ add_on }) => add_on)).toEqual(['duo_core', 'duo_pro']);
    const next = /^<(.*)>; rel="next"$/.exec(first.headers.get('link') ?? '')?.[1] ?? '';
    const second = await issuer.admin('GET', next.replace(`${issuer.url}/api/v1/`, ''));
    expect(await second.json()).toMatchObject({ items: [{ add_on: 'duo_enterprise' }] });
    const filtered = await issuer.admin('GET', `${path}?add_on=code_suggestions&phase=active`);
    expect(await filtered.json()).toMatchObject({ items: [{ add_on: 'duo_pro' }] });
  });

  it('may have any text of the platform as its id, and no control character', async () => {
    const id = 'gid://gitlab/Group/9 ü';
    await recordNamespacePurchase(issuer, encodeURIComponent(id));
    const read = await issuer.admin('GET', `namespaces/${encodeURIComponent(id)}`);
    expect(await read.json()).toMatchObject({ id });
    await expectProblem(await issuer.admin('GET', 'namespaces/%00'), 404, 'NOT_FOUND');
  });
});

describe('the seats of a purchase', () => {
  let namespaces = 0;

  beforeAll(() => {
    clock.set('2026-03-10T12:00:00Z');
  });
  beforeEach(() => {
    clock.set('2026-03-10T12:00:00Z');
  });

  async function purchase(about: Record<string, unknown> = {}): Promise<string> {
    namespaces += 1;
    return (await recordNamespacePurchase(issuer, `n${namespaces}`, about)).id;
  }
  const call = (method: string, id: string, users: readonly unknown[]) =>
    issuer.admin(method, `add_on_purchases/${id}/seat_assignments`, { user_ids: users });
  const assign = (id: string, ...users: unknown[]) => call('POST', id, users);
  const release = (id: string, ...users: unknown[]) => call('DELETE', id, users);
  async function holders(id: string): Promise<string[]> {
    const response = await issuer.admin('GET', `add_on_purchases/${id}/seat_assignments`);
    return ((await response.json()) as SeatsJson).items.map(({ user_id }) => user_id).sort();
  }
  async function read(id: string): Promise<unknown> {
    return (await issuer.admin('GET', `add_on_purchases/${id}`)).json();
  }

  it('are assigned to users, and counted', async () => {
    const id = await purchase({ quantity: 3 });
    const response = await assign(id, '7', '8');
    expect(response.status).toBe(201);
    const { items } = (await response.json()) as SeatsJson;
    expect([...items].sort((a, b) => (a.user_id < b.user_id ? -1 : 1))).toEqual([
      { user_id: '7', assigned_at: '2026-03-10T12:00:00.000Z' },
      { user_id: '8', assigned_at: '2026-03-10T12:00:00.000Z' },
    ]);
    expect(await read(id)).toMatchObject({ quantity: 3, assigned_seats: 2 });
    expect(await holders(id)).toEqual(['7', '8']);
  });

  it('stay with users who have one already', async () => {
    const id = await purchase({ quantity: 2 });
    await assignSeats(issuer, id, '7');
    clock.advance(60_000);
    const response = await assign(id, '7', '8', '8');
    expect(response.status).toBe(201);
    expect(((await response.json()) as SeatsJson).items).toEqual(
      expect.arrayContaining([{ user_id: '7', assigned_at: '2026-03-10T12:00:00.000Z' }]),
    );
    expect((await assign(id, '8', '7')).status).toBe(201);
    expect(await read(id)).toMatchObject({ assigned_seats: 2 });
  });

  it('are not assigned to some when there are too few for all, and the answer says how many are free', async () => {
    const id = await purchase({ quantity: 3 });
    await assignSeats(issuer, id, '1');
    const response = await assign(id, '2', '3', '4');
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({
      ...{ code: 'SEATS_EXHAUSTED', free_seats: 2, quantity: 3 },
    });
    expect(await holders(id)).toEqual(['1']);
    expect((await assign(id, '2', '3')).status).toBe(201);
    expect((await assign(id, '4')).status).toBe(409);
  });

  it('are free again once released, which a second time does nothing', async () => {
    const id = await purchase({ quantity: 2 });
    await assignSeats(issuer, id, '1', '2');
    const response = await release(id, '2', '3');
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ items: [{ user_id: '2' }] });
    expect(await (await release(id, '2')).json()).toEqual({ items: [] });
    await assignSeats(issuer, id, '4');
    expect(await holders(id)).toEqual(['1', '4']);
    expect(await read(id)).toMatchObject({ assigned_seats: 2 });
  });

  it('are listed in pages, and for one user', async () => {
    const id = await purchase({ quantity: 5 });
    await assignSeats(issuer, id, '1', '2', '3');
    const path = `add_on_purchases/${id}/seat_assignments`;
    const seen: string[] = [];
    let next = `${path}?per_page=2`;
    while (next !== '') {
      const response = await issuer.admin('GET', next);
      seen.push(...((await response.json()) as SeatsJson).items.map(({ user_id }) => user_id));
      const link = /^<(.*)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1] ?? '';
      next = link.replace(`${issuer.url}/api/v1/`, '');
    }
    expect(seen.sort()).toEqual(['1', '2', '3']);
    const one = await issuer.admin('GET', `${path}?user_id=2`);
    expect(await one.json()).toMatchObject({ items: [{ user_id: '2' }], next_cursor: null });
  });

  it('exist for duo_pro, by its old name too, and duo_enterprise, on licenses as well', async () => {
    for (const add_on of ['duo_pro', 'code_suggestions', 'duo_enterprise']) {
      expect((await assign(await purchase({ add_on }), '7')).status).toBe(201);
    }
    for (const add_on of ['duo_core', 'duo_amazon_q']) {
      const id = await purchase({ add_on });
      await expectProblem(await assign(id, '7'), 422, 'ADD_ON_WITHOUT_SEATS');
    }
    const license = await registerLicense(issuer);
    const { id } = await recordPurchase(issuer, license.id);
    expect((await assign(id, '7')).status).toBe(201);
  });

  it('may be assigned before the first day, and not from the last on', async () => {
    expect((await assign(await purchase({ started_at: '2026-03-11' }), '7')).status).toBe(201);
    const id = await purchase({ expires_on: '2026-03-11' });
    clock.set('2026-03-10T23:59:59.999Z');
    expect((await assign(id, '7')).status).toBe(201);
    clock.set('2026-03-11T00:00:00Z');
    await expectProblem(await assign(id, '8'), 409, 'PURCHASE_ENDED');
    expect((await release(id, '7')).status).toBe(200);
  });

  it.each([
    ['no list', '7'],
    ['nobody', []],
    ['a number', [7]],
    ['an empty text', ['']],
    ['too many', Array.from({ length: 1001 }, (_, n) => String(n))],
  ])('are refused to %s', async (_what, user_ids) => {
    const path = `add_on_purchases/${await purchase()}/seat_assignments`;
    const response = await issuer.admin('POST', path, { user_ids });
    await expectProblem(response, 422, 'VALIDATION_FAILED', ['#/user_ids']);
  });

  it('are those of a purchase that exists', async () => {
    const unknown = '00000000-0000-7000-8000-000000000000';
    await expectProblem(await assign(unknown, '7'), 404, 'NOT_FOUND');
    await expectProblem(await release(unknown, '7'), 404, 'NOT_FOUND');
    const list = await issuer.admin('GET', `add_on_purchases/${unknown}/seat_assignments`);
    await expectProblem(list, 404, 'NOT_FOUND');
  });

  describe('of which fewer are bought from now on', () => {
    const patch = (id: string, body: object) =>
      issuer.admin('PATCH', `add_on_purchases/${id}`, body);
    let id: string;
    beforeEach(async () => {
      id = await purchase({ quantity: 5 });
      for (const user of ['1', '2', '3', '4']) {
        await assignSeats(issuer, id, user);
        clock.advance(1000);
      }
    });

    it('are not taken from anybody: a quantity below is refused and says how many are held', async () => {
      const response = await patch(id, { quantity: 3 });
      expect(response.status).toBe(409);
      expect(await response.json()).toMatchObject({ code: 'SEATS_ASSIGNED', assigned_seats: 4 });
      expect(await read(id)).toMatchObject({ quantity: 5, assigned_seats: 4 });
      expect((await patch(id, { quantity: 4 })).status).toBe(200);
    });

    it('are taken from the newest when that is asked for', async () => {
      const response = await patch(id, { quantity: 2, release_seats: true });
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ quantity: 2, assigned_seats: 2 });
      expect(await holders(id)).toEqual(['1', '2']);
      expect((await assign(id, '5')).status).toBe(409);
    });

    it('are taken from the last user of the list, if one call assigned them', async () => {
      const users = Array.from({ length: 20 }, (_, n) => `u${String(n).padStart(2, '0')}`);
      const many = await purchase({ quantity: 20 });
      await assignSeats(issuer, many, ...users);
      await patch(many, { quantity: 3, release_seats: true });
      expect(await holders(many)).toEqual(users.slice(0, 3));
    });

    it('are all kept when they fit', async () => {
      expect((await patch(id, { quantity: 4, release_seats: true })).status).toBe(200);
      expect((await patch(id, { release_seats: true })).status).toBe(200);
      expect(await holders(id)).toEqual(['1', '2', '3', '4']);
    });

    it('keep their add-on one that has seats', async () => {
      const response = await patch(id, { add_on: 'duo_core' });
      expect(response.status).toBe(409);
      expect(await response.json()).toMatchObject({ code: 'SEATS_ASSIGNED', assigned_seats: 4 });
    });
  });
});

describe('seats, when a purchase follows on another one', () => {
  const OLD = { started_at: '2026-01-01', expires_on: '2026-04-01' };
  const NEXT = { started_at: '2026-04-01', expires_on: '2026-07-01' };
  const LAST = { started_at: '2026-07-01', expires_on: '2026-10-01' };
  let owners = 0;
  let namespace: string;

  beforeEach(() => {
    clock.set('2026-03-10T12:00:00Z');
    owners += 1;
    namespace = `follows-${owners}`;
  });

  const buy = (about: object) =>
    recordNamespacePurchase(issuer, namespace, { quantity: 5, ...about });
  const seats = (id: string) => `add_on_purchases/${id}/seat_assignments`;
  const patch = (id: string, body: object) => issuer.admin('PATCH', `add_on_purchases/${id}`, body);
  const end = (id: string) => issuer.admin('DELETE', `add_on_purchases/${id}`);
  const assign = async (id: string, ...users: string[]) => {
    for (const user of users) {
      clock.advance(1000);
      await assignSeats(issuer, id, user);
    }
  };
  const release = (id: string, ...user_ids: string[]) => {
    clock.advance(1000);
    return issuer.admin('DELETE', seats(id), { user_ids });
  };
  const holders = async (id: string): Promise<string[]> => {
    const list = await issuer.admin('GET', `${seats(id)}?per_page=100`);
    const found = ((await list.json()) as SeatsJson).items.map(({ user_id }) => user_id).sort();
    const read = await issuer.admin('GET', `add_on_purchases/${id}`);
    expect(await read.json()).toMatchObject({ assigned_seats: found.length });
    return found;
  };
  const mayUse = async (user: string): Promise<unknown> => {
    const query = `user=${user}&namespace=${namespace}&unit_primitive=duo_chat`;
    const answer = await issuer.admin('GET', `allowed_to_use?${query}`);
    return ((await answer.json()) as { reason: string }).reason;
  };
  /** A purchase with seats of `users`, each assigned after the other. */
  async function oldWith(...users: string[]): Promise<string> {
    const { id } = await buy(OLD);
    await assign(id, ...users);
    return id;
  }

  it('are kept without a moment between, and the answer counts them', async () => {
    const old = await oldWith('7', '8');
    const next = await buy(NEXT);
    expect(next.assigned_seats).toBe(2);
    expect(await holders(next.id)).toEqual(['7', '8']);
    expect(await holders(old)).toEqual(['7', '8']);
    for (const instant of ['2026-03-31T23:59:59.999Z', '2026-04-01T00:00:00Z']) {
      clock.set(instant);
      expect([await mayUse('7'), await mayUse('8')]).toEqual(['SEAT_ASSIGNED', 'SEAT_ASSIGNED']);
    }
  });

  it('are kept when the second one is recorded after the end of the first one', async () => {
    await oldWith('7');
    clock.set('2026-04-10T12:00:00Z');
    expect(await mayUse('7')).toBe('PURCHASE_EXPIRED');
    expect((await buy(NEXT)).assigned_seats).toBe(1);
    expect(await mayUse('7')).toBe('SEAT_ASSIGNED');
  });

  it('go to those who had theirs first, and never to more than were bought', async () => {
    await oldWith('9', '7', '8');
    const { id } = await buy({ ...NEXT, quantity: 2 });
    expect(await holders(id)).toEqual(['7', '9']);
    clock.set('2026-04-02T12:00:00Z');
    expect(await mayUse('8')).toBe('NO_SEAT');
    expect((await issuer.admin('POST', seats(id), { user_ids: ['8'] })).status).toBe(409);
  });

  it.each<[string, object]>([
    ['a day later', { started_at: '2026-04-02' }],
    ['for another add-on', { add_on: 'duo_enterprise' }],
    ['for an add-on without seats', { add_on: 'duo_core' }],
  ])('are not kept by one that begins %s', async (_how, about) => {
    await oldWith('7');
    expect((await buy({ ...NEXT, ...about })).assigned_seats).toBe(0);
  });

  it('are not kept by one of another owner', async () => {
    await oldWith('7');
    const other = await recordNamespacePurchase(issuer, `${namespace}-other`, NEXT);
    const { id } = await registerLicense(issuer);
    const ofLicense = await recordPurchase(issuer, id, { ...NEXT, add_on: 'duo_pro' });
    expect([other.assigned_seats, ofLicense.assigned_seats]).toEqual([0, 0]);
  });

  it('are kept on a license too', async () => {
    const { id } = await registerLicense(issuer);
    const old = await recordPurchase(issuer, id, OLD);
    await assign(old.id, '7');
    expect((await recordPurchase(issuer, id, NEXT)).assigned_seats).toBe(1);
  });

  it('pass on through a line of purchases, in whichever order those are recorded', async () => {
    const last = await buy(LAST);
    const old = await oldWith('7');
    const next = await buy({ ...NEXT, quantity: 2 });
    expect([await holders(next.id), await holders(last.id)]).toEqual([['7'], ['7']]);
    await assign(old, '8', '9');
    expect([await holders(next.id), await holders(last.id)]).toEqual([
      ['7', '8'],
      ['7', '8'],
    ]);
    await release(old, '7');
    expect([await holders(next.id), await holders(last.id)]).toEqual([
      ['8', '9'],
      ['8', '9'],
    ]);
  });

  it('follow the first purchase until the second one starts, and not after that', async () => {
    const old = await oldWith('1', '2', '3');
    const { id } = await buy({ ...NEXT, quantity: 2 });
    await release(old, '1');
    expect(await holders(id)).toEqual(['2', '3']);
    await assign(old, '1');
    expect(await holders(id)).toEqual(['2', '3']);
    clock.set('2026-04-01T00:00:00Z');
    await release(old, '2', '3');
    expect(await holders(id)).toEqual(['2', '3']);
    clock.set('2026-04-16T00:00:00Z');
    await issuer.running.app.get(ReleaseAbandonedSeats).run();
    expect([await holders(old), await holders(id)]).toEqual([[], ['2', '3']]);
    await patch(id, { started_at: '2026-05-01' });
    expect(await holders(id)).toEqual(['2', '3']);
  });

  describe('that an admin assigns and releases', () => {
    it('stay as the admin left them', async () => {
      const old = await oldWith('1', '2', '3', '4');
      const { id } = await buy({ ...NEXT, quantity: 3 });
      await release(id, '2');
      expect(await holders(id)).toEqual(['1', '3']);
      await assign(id, '20');
      await assign(old, '5');
      await release(old, '3');
      expect(await holders(id)).toEqual(['1', '20', '4']);
      await patch(id, { purchase_xid: 'A-S2' });
      clock.set('2026-04-02T12:00:00Z');
      await release(id, '1');
      expect(await holders(id)).toEqual(['20', '4']);
    });

    it('are the own of the second purchase from then on', async () => {
      const old = await oldWith('1', '2');
      const { id } = await buy(NEXT);
      await assign(id, '1');
      await release(old, '1', '2');
      expect(await holders(id)).toEqual(['1']);
    });

    it('pass to the next user when one leaves, who may come back', async () => {
      const old = await oldWith('1', '2', '3');
      const { id } = await buy({ ...NEXT, quantity: 2 });
      clock.advance(1000);
      await issuer.admin('DELETE', 'users/1/seat_assignments');
      expect(await holders(id)).toEqual(['2', '3']);
      await patch(id, { quantity: 3 });
      await assign(old, '1');
      expect(await holders(id)).toEqual(['1', '2', '3']);
    });
  });

  it('come and go with the quantity, without a refusal before the first day', async () => {
    const old = await oldWith('1', '2', '3');
    const { id } = await buy({ ...NEXT, quantity: 3 });
    const smaller = await patch(id, { quantity: 1 });
    expect(await smaller.json()).toMatchObject({ quantity: 1, assigned_seats: 1 });
    expect(await holders(id)).toEqual(['1']);
    const larger = await patch(id, { quantity: 2 });
    expect(await larger.json()).toMatchObject({ quantity: 2, assigned_seats: 2 });
    await patch(old, { quantity: 1, release_seats: true });
    expect(await holders(id)).toEqual(['1']);
    await assign(id, '20');
    await expectProblemWithMembers(await patch(id, { quantity: 1, add_on: 'duo_core' }));
    expect(await holders(id)).toEqual(['1', '20']);
    clock.set('2026-04-02T12:00:00Z');
    await expectProblemWithMembers(await patch(id, { quantity: 1 }));
  });
  async function expectProblemWithMembers(response: Response): Promise<void> {
    expect(response.status).toBe(409);
    expect(await response.json()).toMatchObject({ code: 'SEATS_ASSIGNED' });
  }

  it('are kept by one that grows within 14 days of the start', async () => {
    await oldWith('1', '2');
    const { id } = await buy({ ...NEXT, quantity: 1 });
    clock.set('2026-04-10T12:00:00Z');
    await patch(id, { quantity: 2 });
    expect(await holders(id)).toEqual(['1', '2']);
  });

  it('are taken back while there is a gap, and given again without one', async () => {
    const old = await oldWith('1', '2');
    const { id } = await buy(NEXT);
    await patch(id, { started_at: '2026-04-02' });
    expect(await holders(id)).toEqual([]);
    await patch(id, { started_at: '2026-04-01' });
    expect(await holders(id)).toEqual(['1', '2']);
    await end(old);
    expect(await holders(id)).toEqual([]);
    const between = await buy({ started_at: '2026-03-10', expires_on: '2026-04-01' });
    expect([await holders(between.id), await holders(id)]).toEqual([
      ['1', '2'],
      ['1', '2'],
    ]);
  });

  it('are kept by one in the place of another that ended on its first day', async () => {
    const { id: first } = await buy({ ...OLD, expires_on: '2026-03-10' });
    clock.set('2026-03-09T12:00:00Z');
    await assign(first, '1');
    clock.set('2026-03-10T12:00:00Z');
    const days = { started_at: '2026-03-10', expires_on: '2026-04-01' };
    const wrong = await buy(days);
    await assign(wrong.id, '2');
    await end(wrong.id);
    const { id } = await buy(days);
    expect(await holders(id)).toEqual(['1', '2']);
  });

  it('go with a purchase that is called off to the one in its place', async () => {
    await oldWith('1');
    const { id } = await buy(NEXT);
    const last = await buy(LAST);
    await end(id);
    expect(await holders(last.id)).toEqual([]);
    expect((await buy(NEXT)).assigned_seats).toBe(1);
    expect(await holders(last.id)).toEqual(['1']);
  });

  it('leave with another add-on', async () => {
    await oldWith('1');
    const { id } = await buy(NEXT);
    const changed = await patch(id, { add_on: 'duo_core' });
    expect(await changed.json()).toMatchObject({ add_on: 'duo_core', assigned_seats: 0 });
    const back = await patch(id, { add_on: 'duo_pro' });
    expect(await back.json()).toMatchObject({ add_on: 'duo_pro', assigned_seats: 1 });
  });

  it('are the same in both, also when writes come at the same time', async () => {
    for (let round = 0; round < 3; round++) {
      namespace = `${namespace}-${round}`;
      const { id: old } = await buy({ ...OLD, quantity: 20 });
      const users = Array.from({ length: 6 }, (_, n) => String(n));
      await assignSeats(issuer, old, ...users);
      const [next, ...answers] = await Promise.all([
        buy({ ...NEXT, quantity: 20 }),
        issuer.admin('POST', seats(old), { user_ids: ['20'] }),
        issuer.admin('DELETE', seats(old), { user_ids: ['1'] }),
        issuer.admin('DELETE', 'users/2/seat_assignments'),
        patch(old, { quantity: 15 }),
        issuer.admin('POST', seats(old), { user_ids: ['21', '22'] }),
        issuer.running.app
          .get(ReleaseAbandonedSeats)
          .run()
          .then(() => new Response()),
      ]);
      expect(answers.filter(({ ok }) => !ok)).toEqual([]);
      expect(await holders(next.id)).toEqual(await holders(old));
    }
  });

  it('are those of one user in all namespaces, to list and to release', async () => {
    const user = `u-${namespace}`;
    const path = `users/${user}/seat_assignments`;
    const old = await oldWith(user, '8');
    const first = namespace;
    namespace = `${first}-b`;
    const other = await buy({ add_on: 'duo_enterprise' });
    await assign(other.id, user);
    const { id } = await registerLicense(issuer);
    const ofLicense = await recordPurchase(issuer, id);
    await assign(ofLicense.id, user);
    const seat = (add_on_purchase_id: string, namespace_id: string, add_on: string) => ({
      ...{ user_id: user, add_on_purchase_id, namespace_id, add_on },
      assigned_at: expect.any(String) as string,
    });
    const items = [seat(old, first, 'duo_pro'), seat(other.id, namespace, 'duo_enterprise')];
    expect(await (await issuer.admin('GET', path)).json()).toEqual({ items, next_cursor: null });
    const page = await issuer.admin('GET', `${path}?per_page=1`);
    expect(await page.json()).toMatchObject({ items: [items[0]] });
    expect(page.headers.get('link')).toContain('rel="next"');
    const released = await issuer.admin('DELETE', path);
    expect(released.status).toBe(200);
    expect(await released.json()).toEqual({ items });
    expect(await (await issuer.admin('DELETE', path)).json()).toEqual({ items: [] });
    expect([await holders(old), await holders(other.id)]).toEqual([['8'], []]);
    expect(await holders(ofLicense.id)).toEqual([user]);
    await expectProblem(await issuer.admin('GET', 'users/%00/seat_assignments'), 404, 'NOT_FOUND');
  });

  it('are released by a query, as proxies drop the body of a DELETE', async () => {
    const id = await oldWith('1', '2', '3', '4', '5');
    const remove = (query: string, body?: object) =>
      issuer.admin('DELETE', `${seats(id)}${query}`, body, { 'content-type': 'application/json' });
    expect(await (await remove('?user_id=1')).json()).toMatchObject({ items: [{ user_id: '1' }] });
    const twice = await remove('?user_id=2&user_id=3');
    await expectProblem(twice, 422, 'VALIDATION_FAILED', ['user_id']);
    await remove('', { user_ids: ['2', '3'] });
    expect(await holders(id)).toEqual(['4', '5']);
    await remove('?user_id=4', { user_ids: ['4', '4'] });
    expect(await holders(id)).toEqual(['5']);
    const differ = await remove('?user_id=5', { user_ids: ['4', '5'] });
    await expectProblem(differ, 422, 'VALIDATION_FAILED', ['user_id']);
    for (const body of [undefined, {}]) {
      await expectProblem(await remove('', body), 422, 'VALIDATION_FAILED', ['#/user_ids']);
    }
    await expectProblem(await remove('?user_id='), 422, 'VALIDATION_FAILED', ['user_id']);
    await expectProblem(await remove('?user=5'), 422, 'VALIDATION_FAILED', ['user']);
    expect(await holders(id)).toEqual(['5']);
  });
});

interface SeatsJson {
  readonly items: readonly { readonly user_id: string; readonly assigned_at: string }[];
  readonly next_cursor: string | null;
}

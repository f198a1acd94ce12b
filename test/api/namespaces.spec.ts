import {
  type PurchaseJson,
  purchaseBody,
  recordNamespacePurchase,
  recordPurchase,
  registerLicense,
} from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

describe('a namespace', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;
  let namespaces = 0;
  let namespace: string;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  beforeEach(() => {
    clock.set('2026-03-10T12:00:00Z');
    namespaces += 1;
    namespace = String(namespaces);
  });
  afterAll(() => issuer.stop());

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

  it('changes its plan when asked to, for whoever has seen the last one', async () => {
    await recordNamespacePurchase(issuer, namespace, { plan: 'premium' });
    const patch = (plan: string, tag: string) =>
      issuer.admin('PATCH', `namespaces/${namespace}`, { plan }, { 'if-match': tag });
    const changed = await patch('ultimate', '"1"');
    expect(changed.headers.get('etag')).toBe('"2"');
    expect(await changed.json()).toMatchObject({ plan: 'ultimate' });
    await expectProblem(await patch('premium', '"1"'), 412, 'PRECONDITION_FAILED');
    await expectProblem(await patch('gold', '"2"'), 422, 'VALIDATION_FAILED', ['#/plan']);
  });

  it('becomes known once when many purchases come first at once', async () => {
    const addOns = ['duo_core', 'duo_pro', 'duo_enterprise', 'duo_amazon_q'];
    const responses = await Promise.all(addOns.map((add_on) => post({ add_on, plan: 'ultimate' })));
    expect(responses.map(({ status }) => status)).toEqual([201, 201, 201, 201]);
  });

  it('never has an add-on twice at a time, whatever licenses and other namespaces have', async () => {
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

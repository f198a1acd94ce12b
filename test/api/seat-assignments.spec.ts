import {
  assignSeats,
  recordNamespacePurchase,
  recordPurchase,
  registerLicense,
} from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

interface SeatsJson {
  readonly items: readonly { readonly user_id: string; readonly assigned_at: string }[];
  readonly next_cursor: string | null;
}

describe('the seats of a purchase', () => {
  const clock = new FakeClock();
  let issuer: TestIssuer;
  let namespaces = 0;

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
  });
  beforeEach(() => {
    clock.set('2026-03-10T12:00:00Z');
  });
  afterAll(() => issuer.stop());

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

  it('stay with whoever has one already, who needs no second', async () => {
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

    it('are taken from who was named last, of those that were given at once', async () => {
      const users = Array.from({ length: 20 }, (_, n) => `u${String(n).padStart(2, '0')}`);
      const many = await purchase({ quantity: 20 });
      await assignSeats(issuer, many, ...users);
      await patch(many, { quantity: 3, release_seats: true });
      expect(await holders(many)).toEqual(users.slice(0, 3));
    });

    it('are all kept when they fit, whatever was asked for', async () => {
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

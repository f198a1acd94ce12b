import { assignSeats, recordNamespacePurchase } from '../support/builders.js';
import { FakeClock } from '../support/fake-clock.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

describe('whether a user or a namespace may use a unit primitive', () => {
  const clock = new FakeClock(new Date('2026-03-10T12:00:00Z'));
  let issuer: TestIssuer;
  const ids: Record<string, string> = {};

  beforeAll(async () => {
    issuer = await startTestIssuer({ clock });
    const bought = async (name: string, namespace: string, about: Record<string, unknown>) => {
      ids[name] = (await recordNamespacePurchase(issuer, namespace, about)).id;
    };
    await bought('pro', 'both', {});
    await bought('enterprise', 'both', { add_on: 'duo_enterprise' });
    await bought('core', 'core', { add_on: 'duo_core' });
    await bought('premium', 'premium', { plan: 'premium', add_on: 'duo_enterprise' });
    await bought('over', 'over', { expires_on: '2026-03-11' });
    await bought('coming', 'coming', { started_at: '2026-03-12' });
    await assignSeats(issuer, ids['pro'] ?? '', 'ada');
    await assignSeats(issuer, ids['over'] ?? '', 'bob');
    await assignSeats(issuer, ids['coming'] ?? '', 'cem');
    clock.set('2026-03-11T00:00:00Z');
  });
  afterAll(() => issuer.stop());

  const ask = async (query: string): Promise<unknown> => {
    const response = await issuer.admin('GET', `allowed_to_use?${query}`);
    expect(response.status).toBe(200);
    return response.json();
  };
  const no = (reason: string, rest: object = {}) => ({ allowed: false, reason, ...rest });
  const CHAT = 'unit_primitive=duo_chat';

  it('is answered for a user by the seats', async () => {
    expect(await ask(`user=ada&${CHAT}`)).toEqual({
      ...{ allowed: true, reason: 'SEAT_ASSIGNED', unit_primitive: 'duo_chat' },
      ...{ add_on_purchase_id: ids['pro'], until: '2027-01-01' },
    });
    expect(await ask(`user=7&${CHAT}`)).toEqual({
      ...no('NO_SEAT', { unit_primitive: 'duo_chat' }),
      would_be_granted_by: ['duo_enterprise', 'duo_pro'],
    });
    expect(await ask(`user=bob&${CHAT}`)).toMatchObject(
      no('PURCHASE_EXPIRED', { add_on_purchase_id: ids['over'], expired_on: '2026-03-11' }),
    );
    expect(await ask(`user=cem&${CHAT}`)).toMatchObject(
      no('PURCHASE_NOT_STARTED', { add_on_purchase_id: ids['coming'], starts_on: '2026-03-12' }),
    );
  });

  it('is answered for a namespace by what it has bought, the strongest first', async () => {
    expect(await ask(`namespace=both&${CHAT}`)).toMatchObject({
      ...{ allowed: true, reason: 'ADD_ON_PURCHASED', add_on_purchase_id: ids['enterprise'] },
    });
    await recordNamespacePurchase(issuer, 'both', { add_on: 'duo_amazon_q' });
    expect(await ask(`namespace=both&${CHAT}`)).toMatchObject(
      no('OUTRANKED', { outranked_by: 'duo_amazon_q' }),
    );
    expect(await ask(`namespace=core&${CHAT}`)).toMatchObject({ allowed: true });
    expect(await ask(`namespace=core&unit_primitive=ask_epic`)).toMatchObject(
      no('NO_ACTIVE_PURCHASE', { would_be_granted_by: ['duo_enterprise'] }),
    );
    expect(await ask(`namespace=nobody&${CHAT}`)).toMatchObject(no('NO_ACTIVE_PURCHASE'));
  });

  it('is answered for a user in one namespace by the seats of that namespace', async () => {
    expect(await ask(`user=ada&namespace=both&${CHAT}`)).toMatchObject({ allowed: true });
    expect(await ask(`user=ada&namespace=core&${CHAT}`)).toMatchObject(no('NO_SEAT'));
  });

  it('is answered for what is free, what a plan lacks, and what nobody knows', async () => {
    expect(await ask('user=7&unit_primitive=security_scans')).toMatchObject({
      ...{ allowed: true, reason: 'FREE', until: null },
    });
    expect(await ask('namespace=premium&unit_primitive=explain_vulnerability')).toMatchObject(
      no('PLAN_NOT_ELIGIBLE', { eligible_plans: ['ultimate'] }),
    );
    expect(await ask('user=ada&unit_primitive=made_up')).toEqual(
      no('UNKNOWN_UNIT_PRIMITIVE', { unit_primitive: 'made_up' }),
    );
  });

  it('needs somebody and something to be about', async () => {
    const get = (query: string) => issuer.admin('GET', `allowed_to_use?${query}`);
    await expectProblem(await get(CHAT), 422, 'VALIDATION_FAILED', ['user']);
    await expectProblem(await get('user=7'), 422, 'VALIDATION_FAILED', ['unit_primitive']);
    await expectProblem(await get(`user=7&${CHAT}&x=1`), 422, 'VALIDATION_FAILED', ['x']);
  });
});

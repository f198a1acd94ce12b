import { purchaseBody, recordPurchase, registerLicense } from '../support/builders.js';
import { startTestIssuer, type TestIssuer } from '../support/test-issuer.js';
import { expectProblem } from './problem.js';

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

describe('an add-on purchase is refused by the name of the member', () => {
  let issuer: TestIssuer;
  let list: string;
  let item: string;

  beforeAll(async () => {
    issuer = await startTestIssuer();
    const license = await registerLicense(issuer);
    list = `licenses/${license.id}/add_on_purchases`;
    item = `add_on_purchases/${(await recordPurchase(issuer, license.id)).id}`;
  });
  afterAll(() => issuer.stop());

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

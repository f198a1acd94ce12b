import type { Catalog, UnitPrimitive } from './catalog.js';
import { parseGitlabVersion } from './gitlab-version.js';
import {
  type NamespacePurchase,
  resolveSelfIssuedScopes,
  type SelfIssuedSubject,
} from './resolve-self-issued-scopes.js';

const NOW = new Date('2026-06-15T12:00:00.000Z');
const CUT_OFF = new Date('2024-10-17T00:00:00.000Z');
const FUTURE = new Date('2026-06-15T12:00:00.001Z');

function unitPrimitive(fields: Partial<UnitPrimitive> = {}): UnitPrimitive {
  return {
    ...{ name: 'duo_chat', description: '', group: null, featureCategory: null },
    ...{ documentationUrl: null, milestone: null, introducedByUrl: null },
    ...{ unitPrimitiveIssueUrl: null, deprecatedByUrl: null, deprecationMessage: null },
    ...{ cutOffDate: CUT_OFF, licenseTypes: [], minGitlabVersionForFreeAccess: null },
    minGitlabVersion: parseGitlabVersion('99.0'),
    ...{ backendServices: ['ai_gateway'], audiences: ['gitlab-ai-gateway'] },
    addOns: ['duo_core', 'duo_enterprise', 'duo_pro'],
    ...fields,
  };
}

function purchase(addOn: string, fields: Partial<NamespacePurchase> = {}): NamespacePurchase {
  return {
    ...{ id: `p-${addOn}`, addOn, quantity: 1, voidedAt: null, plan: 'ultimate' },
    ...{ startedAt: '2026-01-01', expiresOn: '2027-01-01' },
    ...fields,
  };
}

const user = (...purchases: NamespacePurchase[]): SelfIssuedSubject => ({
  ...{ kind: 'user', purchases, withoutSeat: [] },
});
const namespace = (...purchases: NamespacePurchase[]): SelfIssuedSubject => ({
  ...{ kind: 'namespace', plan: purchases[0]?.plan ?? null, purchases },
});

function resolve(
  subject: SelfIssuedSubject,
  unitPrimitives: readonly UnitPrimitive[] = [unitPrimitive()],
  { wanted = null as ReadonlySet<string> | null, enforceLicenseTypes = true, now = NOW } = {},
) {
  const catalog: Catalog = {
    ...{ unitPrimitives, services: [], backendServices: [], addOns: [], licenseTypes: [] },
  };
  return resolveSelfIssuedScopes(subject, wanted, catalog, now, { enforceLicenseTypes });
}

const [PRO, ENTERPRISE] = [purchase('duo_pro'), purchase('duo_enterprise')];
const [CORE, AMAZON_Q] = [purchase('duo_core'), purchase('duo_amazon_q')];
const OVER = purchase('duo_pro', { expiresOn: '2026-06-15' });
const COMING = purchase('duo_pro', { startedAt: '2026-06-16' });
const VOID = purchase('duo_pro', { voidedAt: CUT_OFF });
const PREMIUM = purchase('duo_pro', { plan: 'premium' });
/** A user whose seat is over, and the other purchases of the namespace. */
const seatless = (...withoutSeat: NamespacePurchase[]): SelfIssuedSubject => ({
  ...{ kind: 'user', purchases: [OVER], withoutSeat },
});
const paid = (...addOns: string[]) => unitPrimitive({ addOns });
const forUltimate = (fields: Partial<UnitPrimitive> = {}) =>
  unitPrimitive({ licenseTypes: ['ultimate'], ...fields });
const free = (fields: Partial<UnitPrimitive> = {}) =>
  unitPrimitive({ cutOffDate: null, ...fields });

describe('resolveSelfIssuedScopes', () => {
  it.each<[string, SelfIssuedSubject, UnitPrimitive, string]>([
    ['a user with a seat', user(PRO), unitPrimitive(), 'SEAT_ASSIGNED'],
    ['a user with a seat that carries it', user(PRO), paid('duo_enterprise'), 'NO_SEAT'],
    ['a user without a seat', user(), unitPrimitive(), 'NO_SEAT'],
    ['a user without a seat, of a plan', user(), forUltimate(), 'NO_SEAT'],
    ['a user whose seat is over', user(OVER), unitPrimitive(), 'PURCHASE_EXPIRED'],
    ['a user whose seat is over, beside one that runs', seatless(PRO), unitPrimitive(), 'NO_SEAT'],
    [
      'a user whose seat is over, beside another add-on that has it',
      seatless(ENTERPRISE),
      unitPrimitive(),
      'NO_SEAT',
    ],
    [
      'a user whose seat is over, beside what does not help',
      seatless(purchase('duo_pro', { startedAt: '2026-06-16' }), OVER, VOID, CORE),
      unitPrimitive(),
      'PURCHASE_EXPIRED',
    ],
    [
      'a user whose seat is over, beside one that does not carry it',
      seatless(ENTERPRISE),
      paid('duo_pro'),
      'PURCHASE_EXPIRED',
    ],
    ['a user whose seat has not started', user(COMING), unitPrimitive(), 'PURCHASE_NOT_STARTED'],
    ['a user with a seat that was called off', user(VOID), unitPrimitive(), 'NO_SEAT'],
    ['a user with seats of both', user(PRO, ENTERPRISE), paid('duo_pro'), 'SEAT_ASSIGNED'],
    ['a user of another plan', user(PREMIUM), forUltimate(), 'PLAN_NOT_ELIGIBLE'],
    [
      'a user whose seat of the plan carries something else',
      user(PREMIUM, ENTERPRISE),
      forUltimate({ addOns: ['duo_pro'] }),
      'PLAN_NOT_ELIGIBLE',
    ],
    [
      'a user with two seats, one of the plan',
      user(PREMIUM, purchase('duo_pro', { id: 'p2' })),
      forUltimate(),
      'SEAT_ASSIGNED',
    ],
    ['a user, of what is free', user(), free(), 'FREE'],
    ['a user, of what is free still', user(), free({ cutOffDate: FUTURE }), 'FREE'],
    ['a user, of what was free until now', user(), free({ cutOffDate: NOW }), 'NO_SEAT'],
    [
      'a user of no plan, of what is free in one',
      user(),
      forUltimate({ cutOffDate: null }),
      'PLAN_NOT_ELIGIBLE',
    ],
    [
      'a user of the plan, of what is free in it',
      user(PRO),
      forUltimate({ cutOffDate: null }),
      'FREE',
    ],
    ['a user, of what nobody serves', user(PRO), free({ audiences: [] }), 'NO_AUDIENCE'],
    ['a namespace that has bought it', namespace(PRO), unitPrimitive(), 'ADD_ON_PURCHASED'],
    ['a namespace that has bought nothing', namespace(), unitPrimitive(), 'NO_ACTIVE_PURCHASE'],
    ['a namespace of no plan', namespace(), forUltimate(), 'NO_ACTIVE_PURCHASE'],
    ['a namespace of another plan', namespace(PREMIUM), forUltimate(), 'PLAN_NOT_ELIGIBLE'],
    ['a namespace whose purchase is over', namespace(OVER), unitPrimitive(), 'PURCHASE_EXPIRED'],
    ['a namespace with core', namespace(CORE), unitPrimitive(), 'ADD_ON_PURCHASED'],
  ])('decides for %s', (_whom, subject, candidate, reason) => {
    const { decisions, scopes } = resolve(subject, [candidate]);
    const granted = ['FREE', 'SEAT_ASSIGNED', 'ADD_ON_PURCHASED'].includes(reason);
    expect(decisions).toMatchObject([{ unitPrimitive: 'duo_chat', reason, granted }]);
    expect(scopes).toEqual(granted ? ['duo_chat'] : []);
  });

  describe('of a namespace that carries several', () => {
    const ALL = [
      ...[paid('duo_amazon_q'), paid('duo_enterprise'), paid('duo_pro'), paid('duo_core')],
    ].map((each) => ({ ...each, name: `of_${each.addOns[0] ?? ''}` }));
    it.each<[string, NamespacePurchase[], string[]]>([
      ['Amazon Q before both', [PRO, ENTERPRISE, AMAZON_Q], ['of_duo_amazon_q']],
      ['Amazon Q before Pro', [PRO, AMAZON_Q], ['of_duo_amazon_q']],
      ['Enterprise before Pro', [PRO, ENTERPRISE], ['of_duo_enterprise']],
      ['Pro alone', [PRO], ['of_duo_pro']],
      ['Core beside the strongest', [CORE, PRO, ENTERPRISE], ['of_duo_core', 'of_duo_enterprise']],
      ['Core beside Amazon Q', [CORE, AMAZON_Q], ['of_duo_amazon_q', 'of_duo_core']],
      [
        'Pro, when Enterprise is over',
        [PRO, purchase('duo_enterprise', { expiresOn: '2026-06-15' })],
        ['of_duo_pro'],
      ],
      [
        'Pro, before Enterprise starts',
        [PRO, purchase('duo_enterprise', { startedAt: '2026-06-16' })],
        ['of_duo_pro'],
      ],
    ])('takes %s', (_what, purchases, scopes) => {
      expect(resolve(namespace(...purchases), ALL).scopes).toEqual(scopes);
    });

    it('says by which one the other was outranked', () => {
      const { decisions } = resolve(namespace(PRO, AMAZON_Q), [paid('duo_pro')]);
      expect(decisions).toEqual([
        {
          ...{ unitPrimitive: 'duo_chat', granted: false, reason: 'OUTRANKED' },
          ...{ addOnPurchaseId: 'p-duo_pro', outrankedBy: 'duo_amazon_q' },
        },
      ]);
    });

    it('adds up for a user: seats have no precedence', () => {
      expect(resolve(user(PRO, ENTERPRISE), ALL).scopes).toEqual([
        'of_duo_enterprise',
        'of_duo_pro',
      ]);
    });
  });

  it('says until when, by the seat that lasts longest', () => {
    const longer = purchase('duo_pro', { id: 'longer', expiresOn: '2028-01-01' });
    expect(resolve(user(PRO, longer, ENTERPRISE)).decisions).toEqual([
      {
        ...{ unitPrimitive: 'duo_chat', granted: true, reason: 'SEAT_ASSIGNED' },
        ...{ addOnPurchaseId: 'longer', until: '2028-01-01' },
      },
    ]);
  });

  it('names to a user the add-ons with seats only', () => {
    expect(resolve(user()).decisions).toMatchObject([
      { wouldBeGrantedBy: ['duo_enterprise', 'duo_pro'] },
    ]);
    expect(resolve(namespace()).decisions).toMatchObject([
      { wouldBeGrantedBy: ['duo_core', 'duo_enterprise', 'duo_pro'] },
    ]);
  });

  it('counts a purchase from its first day to the day before its last', () => {
    const seat = purchase('duo_pro', { startedAt: '2026-06-15', expiresOn: '2026-06-16' });
    const scopesAt = (now: string) => resolve(user(seat), undefined, { now: new Date(now) }).scopes;
    expect(scopesAt('2026-06-14T23:59:59.999Z')).toEqual([]);
    expect(scopesAt('2026-06-15T00:00:00.000Z')).toEqual(['duo_chat']);
    expect(scopesAt('2026-06-15T23:59:59.999Z')).toEqual(['duo_chat']);
    expect(scopesAt('2026-06-16T00:00:00.000Z')).toEqual([]);
  });

  it('minds no plan where the operator does not', () => {
    const lax = { enforceLicenseTypes: false };
    expect(resolve(user(PREMIUM), [forUltimate()], lax).scopes).toEqual(['duo_chat']);
    expect(resolve(user(), [forUltimate({ cutOffDate: null })], lax).scopes).toEqual(['duo_chat']);
  });

  it('decides about what is wanted only, and has the audiences of that', () => {
    const other = unitPrimitive({ name: 'other', audiences: ['b', 'a'] });
    expect(resolve(user(PRO), [unitPrimitive(), other])).toMatchObject({
      scopes: ['duo_chat', 'other'],
      audiences: ['a', 'b', 'gitlab-ai-gateway'],
    });
    const { decisions, audiences } = resolve(user(PRO), [unitPrimitive(), other], {
      wanted: new Set(['other']),
    });
    expect(decisions.map((each) => each.unitPrimitive)).toEqual(['other']);
    expect(audiences).toEqual(['a', 'b']);
  });
});

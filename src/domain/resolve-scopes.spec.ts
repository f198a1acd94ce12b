import type { AddOnPurchase } from './add-on-purchase.js';
import type { Catalog, UnitPrimitive } from './catalog.js';
import { type GitlabVersion, parseGitlabVersion } from './gitlab-version.js';
import { resolveScopes } from './resolve-scopes.js';

const NOW = '2026-06-15T12:00:00.000Z';
const CUT_OFF = new Date('2024-10-17T00:00:00.000Z');

function unitPrimitive(fields: Partial<UnitPrimitive> = {}): UnitPrimitive {
  return {
    name: 'ask_epic',
    description: '',
    group: null,
    featureCategory: null,
    documentationUrl: null,
    milestone: null,
    introducedByUrl: null,
    unitPrimitiveIssueUrl: null,
    deprecatedByUrl: null,
    deprecationMessage: null,
    cutOffDate: CUT_OFF,
    minGitlabVersion: null,
    minGitlabVersionForFreeAccess: null,
    licenseTypes: [],
    backendServices: ['ai_gateway'],
    audiences: ['gitlab-ai-gateway'],
    addOns: ['duo_enterprise', 'duo_pro'],
    ...fields,
  };
}

function purchase(fields: Partial<AddOnPurchase> = {}): AddOnPurchase {
  return {
    id: 'p1',
    addOn: 'duo_pro',
    quantity: 1,
    startedAt: '2026-01-01',
    expiresOn: '2027-01-01',
    voidedAt: null,
    ...fields,
  };
}

function version(text: string): GitlabVersion | null {
  return parseGitlabVersion(text);
}

interface Given {
  readonly plan?: string;
  readonly purchases?: readonly AddOnPurchase[];
  readonly version?: GitlabVersion | null;
  readonly now?: string;
  readonly enforceLicenseTypes?: boolean;
}

function resolve(unitPrimitives: readonly UnitPrimitive[], given: Given = {}) {
  const catalog: Catalog = {
    unitPrimitives,
    services: [],
    backendServices: [],
    addOns: [],
    licenseTypes: [],
  };
  return resolveScopes(
    { plan: given.plan ?? 'ultimate' },
    given.purchases ?? [],
    catalog,
    given.version === undefined ? version('18.5.0-ee') : given.version,
    new Date(given.now ?? NOW),
    { enforceLicenseTypes: given.enforceLicenseTypes ?? true },
  );
}

function decide(fields: Partial<UnitPrimitive>, given: Given = {}) {
  return resolve([unitPrimitive(fields)], given).decisions[0];
}

describe('a unit primitive before its cut-off', () => {
  it.each([
    ['one millisecond before', '2024-10-16T23:59:59.999Z', 'FREE'],
    ['from the cut-off on', '2024-10-17T00:00:00.000Z', 'NO_ACTIVE_PURCHASE'],
  ])('is free until the instant itself: %s, at %s, it is %s', (_when, now, reason) => {
    expect(decide({}, { now })).toMatchObject({ granted: reason === 'FREE', reason });
  });

  it('tells until when it is free, and that it is free for good without a cut-off', () => {
    const until = new Date('2027-01-01T00:00:00Z');
    expect(decide({ cutOffDate: until })).toMatchObject({ reason: 'FREE', until });
    expect(decide({ cutOffDate: null })).toMatchObject({ reason: 'FREE', until: null });
  });

  it('is free even where a purchase carries it', () => {
    expect(decide({ cutOffDate: null }, { purchases: [purchase()] })).toMatchObject({
      reason: 'FREE',
    });
  });
});

describe('the minimum version', () => {
  const gates = {
    minGitlabVersion: version('18.0'),
    minGitlabVersionForFreeAccess: version('17.0'),
  };
  const purchases = [purchase()];

  it.each([
    ['16.11.9', null, 'GITLAB_VERSION_TOO_OLD'],
    ['17.0.0', null, 'FREE'],
    ['17.11.9', CUT_OFF, 'GITLAB_VERSION_TOO_OLD'],
    ['18.0.0', CUT_OFF, 'ADD_ON_PURCHASED'],
  ])('for %s with the cut-off %s leads to %s', (text, cutOffDate, reason) => {
    const decision = decide({ ...gates, cutOffDate }, { version: version(text), purchases });
    expect(decision?.reason).toBe(reason);
  });

  it('is named, as the catalog writes it', () => {
    const old = { version: version('15.0') };
    expect(decide(gates, old)).toHaveProperty('minGitlabVersion', '18.0');
    expect(decide({ ...gates, cutOffDate: null }, old)).toHaveProperty('minGitlabVersion', '17.0');
  });

  it('stops no version where there is none, and never the question without a version', () => {
    expect(decide({}, { version: version('0.1'), purchases })?.granted).toBe(true);
    expect(decide(gates, { version: null, purchases })?.granted).toBe(true);
  });
});

describe('the plan', () => {
  const ultimateOnly = { licenseTypes: ['ultimate'] };
  const purchases = [purchase()];

  it.each([{ cutOffDate: null }, { cutOffDate: CUT_OFF }])(
    'has to be one of those listed, free or paid for (%o)',
    (fields) => {
      const listed = { ...ultimateOnly, ...fields };
      expect(decide(listed, { plan: 'ultimate', purchases })?.granted).toBe(true);
      expect(decide(listed, { plan: 'premium', purchases })).toEqual({
        unitPrimitive: 'ask_epic',
        granted: false,
        reason: 'PLAN_NOT_ELIGIBLE',
        eligiblePlans: ['ultimate'],
      });
    },
  );

  it('does not matter where none is listed, nor when the rule is turned off', () => {
    expect(decide({}, { plan: 'premium', purchases })?.granted).toBe(true);
    const lax = { plan: 'premium', purchases, enforceLicenseTypes: false };
    expect(decide(ultimateOnly, lax)?.granted).toBe(true);
  });
});

describe('a purchase', () => {
  it.each([
    ['2025-12-31T23:59:59.999Z', 'PURCHASE_NOT_STARTED'],
    ['2026-01-01T00:00:00.000Z', 'ADD_ON_PURCHASED'],
    ['2026-12-31T23:59:59.999Z', 'ADD_ON_PURCHASED'],
    ['2027-01-01T00:00:00.000Z', 'PURCHASE_EXPIRED'],
  ])('of 2026 leads at %s to %s', (now, reason) => {
    expect(decide({}, { now, purchases: [purchase()] })?.reason).toBe(reason);
  });

  it('is named with the day until which it grants', () => {
    expect(decide({}, { purchases: [purchase()] })).toEqual({
      unitPrimitive: 'ask_epic',
      granted: true,
      reason: 'ADD_ON_PURCHASED',
      addOnPurchaseId: 'p1',
      until: '2027-01-01',
    });
  });

  const enterprise = { addOn: 'duo_enterprise' };
  const wouldBeGrantedBy = ['duo_enterprise', 'duo_pro'];
  const active = [
    purchase({ ...enterprise, id: 'sooner', startedAt: '2026-03-01', expiresOn: '2026-07-01' }),
    purchase({ ...enterprise, id: 'soon', startedAt: '2026-04-01', expiresOn: '2026-08-01' }),
    purchase({ id: 'last', startedAt: '2026-05-01', expiresOn: '2028-01-01' }),
    purchase({ id: 'other', addOn: 'duo_core', expiresOn: '2030-01-01' }),
  ];
  const coming = [
    purchase({ ...enterprise, id: 'later', startedAt: '2026-09-01', expiresOn: '2029-01-01' }),
    purchase({ id: 'first', startedAt: '2026-06-16', expiresOn: '2026-07-01' }),
    purchase({ id: 'latest', startedAt: '2026-10-01', expiresOn: '2030-01-01' }),
  ];
  const over = [
    purchase({ ...enterprise, id: 'ended', startedAt: null, expiresOn: '2026-01-01' }),
    purchase({ id: 'last to end', startedAt: '2025-01-01', expiresOn: '2026-06-15' }),
    purchase({ id: 'long ago', startedAt: '2024-01-01', expiresOn: '2025-01-01' }),
  ];

  it.each([
    ['active', active, { reason: 'ADD_ON_PURCHASED', addOnPurchaseId: 'last' }],
    ['to come', coming, { reason: 'PURCHASE_NOT_STARTED', addOnPurchaseId: 'first' }],
    ['over', over, { reason: 'PURCHASE_EXPIRED', addOnPurchaseId: 'last to end' }],
  ])(
    'is chosen among several that are %s, of any fitting add-on, in any order',
    (_phase, purchases, decision) => {
      expect(decide({}, { purchases })).toMatchObject(decision);
      expect(decide({}, { purchases: purchases.toReversed() })).toMatchObject(decision);
    },
  );

  it('that is active goes before one that comes, and that before one that is over', () => {
    const purchases = [...over, ...coming];
    expect(decide({}, { purchases: [...purchases, ...active] })?.granted).toBe(true);
    expect(decide({}, { purchases })).toMatchObject({ startsOn: '2026-06-16', wouldBeGrantedBy });
    const past = decide({}, { purchases: over });
    expect(past).toMatchObject({ expiredOn: '2026-06-15', wouldBeGrantedBy });
  });

  it.each([
    ['was called off', purchase({ voidedAt: new Date('2026-01-01T00:00:00Z') })],
    ['has no seats', purchase({ quantity: 0 })],
    ['is of another add-on', purchase({ addOn: 'duo_core' })],
  ])('that %s is none', (_what, held) => {
    expect(decide({}, { purchases: [held] })).toEqual({
      unitPrimitive: 'ask_epic',
      granted: false,
      reason: 'NO_ACTIVE_PURCHASE',
      wouldBeGrantedBy,
    });
  });
});

describe('the resolution', () => {
  it('unites what several purchases grant: scopes and audiences sorted, each once', () => {
    const { scopes, audiences, decisions } = resolve([
      unitPrimitive({ name: 'b', cutOffDate: null, audiences: ['two', 'three'] }),
      unitPrimitive({ name: 'c', cutOffDate: null, audiences: ['three', 'one'] }),
      unitPrimitive({ name: 'refused', audiences: ['four'] }),
      unitPrimitive({ name: 'a', cutOffDate: null, audiences: ['two'] }),
    ]);
    expect(scopes).toEqual(['a', 'b', 'c']);
    expect(audiences).toEqual(['one', 'three', 'two']);
    expect(decisions.map(({ unitPrimitive: name }) => name)).toEqual(['b', 'c', 'refused', 'a']);
  });

  it('names the first refusal: no audience, then the plan, then the version', () => {
    const fields = { licenseTypes: ['ultimate'], minGitlabVersion: version('99.0') };
    const given = { plan: 'premium' };
    expect(decide({ ...fields, audiences: [] }, given)?.reason).toBe('NO_AUDIENCE');
    expect(decide(fields, given)?.reason).toBe('PLAN_NOT_ELIGIBLE');
    expect(decide(fields)?.reason).toBe('GITLAB_VERSION_TOO_OLD');
    expect(decide({ audiences: [], cutOffDate: null })?.granted).toBe(false);
  });
});

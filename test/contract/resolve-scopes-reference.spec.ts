import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { AddOnPurchase } from '../../src/domain/add-on-purchase.js';
import { canonicalAddOnName, type Catalog } from '../../src/domain/catalog.js';
import { expectedDigest } from '../../src/ledger-audit/expected-claims.js';
import { recordedVersion } from '../../src/domain/gitlab-version.js';
import { parseCatalog } from '../../src/domain/parse-catalog.js';
import { resolveScopes } from '../../src/domain/resolve-scopes.js';
import {
  type ExpectedScopes,
  type ScopeCase,
  type PlainCatalog,
  type PlainPurchase,
  expectedScopes,
  type PlainUnitPrimitive,
} from '../../src/ledger-audit/expected-scopes.js';

const RUNS = 5000;
const DAY = 86_400_000;
const ADD_ONS = ['code_suggestions', 'duo_core', 'duo_enterprise', 'duo_pro'];
const PLANS = ['premium', 'ultimate'];
const BACKEND_SERVICES = [
  { name: 'ai_gateway', jwt_aud: 'gitlab-ai-gateway' },
  { name: 'duo_workflow_service', jwt_aud: 'gitlab-duo-workflow-service' },
  { name: 'second_gateway', jwt_aud: 'gitlab-ai-gateway' },
];

/** Mostly the first, middle and last millisecond of a day, around month and year ends too. */
const instants = fc
  .record({
    day: fc.oneof(
      fc.constantFrom('2024-02-29', '2026-01-01', '2026-03-01', '2026-12-31'),
      fc.integer({ min: 19_000, max: 23_000 }).map((number) => dayText(number * DAY)),
    ),
    inTheDay: fc.oneof(
      fc.constantFrom(0, 1, DAY / 2, DAY - 1),
      fc.integer({ min: 0, max: DAY - 1 }),
    ),
  })
  .map(({ day, inTheDay }) => Date.parse(day) + inTheDay);

const numbers = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(0, 1, 2, 9, 10) },
  { weight: 1, arbitrary: fc.constantFrom(99, 100, 2 ** 31, Number.MAX_SAFE_INTEGER) },
  { weight: 1, arbitrary: fc.nat() },
);
const numberTexts = fc
  .tuple(numbers, fc.constantFrom('', '', '', '0'))
  .map(([number, padding]) => `${padding}${number}`);

const versionsWith = (suffixes: string[]) =>
  fc
    .tuple(
      fc.array(numberTexts, { minLength: 2, maxLength: 3 }),
      fc.constantFrom('', '', ...suffixes),
    )
    .map(([parts, suffix]) => `${parts.join('.')}${suffix}`);
const instanceVersions = fc.oneof(
  {
    weight: 9,
    arbitrary: versionsWith(['-ee', '-pre', '.', '.x', '.7', '.7.8-ee', '+1.2', 'rc9']),
  },
  { weight: 1, arbitrary: fc.constant('unknown') },
);

/** Often the very version of the instance, or that version without its patch. */
const minimumFor = (instanceVersion: string): fc.Arbitrary<string | null> =>
  fc.oneof(
    fc.constantFrom(
      null,
      /^\d+\.\d+(\.\d+)?/.exec(instanceVersion)?.[0] ?? null,
      /^\d+\.\d+/.exec(instanceVersion)?.[0] ?? null,
    ),
    versionsWith(['-ee', '-pre']),
  );

const purchasesAt = (now: number): fc.Arbitrary<PlainPurchase> =>
  fc
    .record({
      add_on: fc.constantFrom(...ADD_ONS),
      quantity: fc.constantFrom(0, 1, 1, 1, 50),
      startsIn: fc.oneof(fc.constantFrom(null, -1, 0, 1), fc.integer({ min: -800, max: 800 })),
      // None at all: ended on its first day.
      days: fc.oneof(fc.constantFrom(0, 1, 1, 2, 3), fc.integer({ min: 1, max: 800 })),
      voided: fc.constantFrom(false, false, false, true),
    })
    .map(({ startsIn, days, ...purchase }) => ({
      ...purchase,
      started_at: startsIn === null ? null : dayText(now + startsIn * DAY),
      expires_on: dayText(now + ((startsIn ?? -2) + days) * DAY),
    }));

const unitPrimitivesFor = (now: number, version: string) =>
  fc.record({
    cut_off_date: fc
      .oneof(fc.constantFrom(null, -1, 0, 0, 1), fc.integer({ min: -900 * DAY, max: 900 * DAY }))
      .map((distance) => (distance === null ? null : new Date(now + distance).toISOString())),
    min_gitlab_version: minimumFor(version),
    min_gitlab_version_for_free_access: minimumFor(version),
    license_types: fc.subarray(PLANS),
    backend_services: fc.oneof(
      { weight: 3, arbitrary: fc.subarray(names(BACKEND_SERVICES), { minLength: 1 }) },
      { weight: 1, arbitrary: fc.constant([]) },
    ),
    add_ons: fc.subarray(ADD_ONS),
  });

const cases: fc.Arbitrary<ScopeCase> = fc
  .record({ now: instants, version: instanceVersions })
  .chain(({ now, version }) =>
    fc.record({
      now: fc.constant(new Date(now).toISOString()),
      gitlab_version: fc.constant(version),
      plan: fc.constantFrom(...PLANS, 'free'),
      enforce_license_types: fc.constantFrom(true, true, false),
      purchases: fc.array(purchasesAt(now), { maxLength: 4 }),
      catalog: fc
        .array(unitPrimitivesFor(now, version), { minLength: 1, maxLength: 4 })
        .map(catalogWith),
    }),
  );

describe('the scopes that a license is granted', () => {
  it('are those of a second implementation of the rules, for the same reasons', () => {
    fc.assert(
      fc.property(cases, (given) => {
        expect(resolvedByTheService(given)).toEqual(expectedScopes(given));
      }),
      { numRuns: RUNS },
    );
  });

  it('are tried with cases that reach every reason, many times each', () => {
    const seen = new Map<string, number>();
    for (const given of fc.sample(cases, { numRuns: 2000, seed: 1 })) {
      for (const reason of Object.values(expectedScopes(given).reasons)) {
        seen.set(reason, (seen.get(reason) ?? 0) + 1);
      }
    }
    expect([...seen.keys()].sort()).toEqual([
      'ADD_ON_PURCHASED',
      'FREE',
      'GITLAB_VERSION_TOO_OLD',
      'NO_ACTIVE_PURCHASE',
      'NO_AUDIENCE',
      'PLAN_NOT_ELIGIBLE',
      'PURCHASE_EXPIRED',
      'PURCHASE_NOT_STARTED',
    ]);
    expect(Math.min(...seen.values())).toBeGreaterThan(80);
  });
});

describe('the claims that the auditor expects', () => {
  const at = new Date('2026-03-10T12:00:00.250Z');
  const second = Date.parse('2026-03-10T12:00:00Z') / 1000;
  const identity = { jti: 'j', sub: 's', uid: 'u', status_index: null };
  const granted = { scopes: ['a'], audiences: ['b'] };
  const policy = {
    issuer: 'https://issuer.test',
    ttl_seconds: 3600,
    not_before_skew_seconds: 5,
    enforce_license_types: true,
    self_issued_instance_id: null,
  };

  it.each([
    ['dated back', { ...policy, issued_at_skew_seconds: 5 }, second - 5],
    ['of before iat was dated back', policy, second],
  ])('have the iat of their policy, one %s', (_which, given, iat) => {
    const claims = {
      ...{ iss: policy.issuer, aud: ['b'], sub: 's', iat, nbf: second - 5, exp: second + 3600 },
      ...{ jti: 'j', gitlab_realm: 'self-managed', gitlab_instance_uid: 'u', scopes: ['a'] },
    };
    const digest = createHash('sha256').update(JSON.stringify(claims)).digest();
    expect(expectedDigest(identity, granted, given, at, second + 3600)).toEqual(digest);
  });
});

function resolvedByTheService(given: ScopeCase): ExpectedScopes {
  const { decisions, scopes, audiences } = resolveScopes(
    { plan: given.plan },
    given.purchases.map(purchaseOf),
    catalogOf(given.catalog),
    recordedVersion(given.gitlab_version) ?? fail('a version that cannot be read'),
    new Date(given.now),
    { enforceLicenseTypes: given.enforce_license_types },
  );
  const reasons = decisions.map(({ unitPrimitive, reason }) => [unitPrimitive, reason]);
  return {
    scopes: [...scopes],
    audiences: [...audiences],
    reasons: Object.fromEntries(reasons) as Record<string, string>,
  };
}

function purchaseOf(purchase: PlainPurchase, index: number): AddOnPurchase {
  return {
    id: `purchase-${index}`,
    addOn: canonicalAddOnName(purchase.add_on),
    quantity: purchase.quantity,
    startedAt: purchase.started_at,
    expiresOn: purchase.expires_on,
    voidedAt: purchase.voided ? new Date(0) : null,
  };
}

/** Through the service's own reading of a catalog's files. */
function catalogOf({ unit_primitives, backend_services }: PlainCatalog): Catalog {
  const filed = <Document extends object>(documents: readonly Document[]) =>
    documents.map((document, index) => ({ file: `${index}.yml`, document }));
  const parsed = parseCatalog({
    unit_primitives: filed(unit_primitives.map((each) => ({ ...each, description: '' }))),
    backend_services: filed(backend_services),
    add_ons: filed(ADD_ONS.map((name) => ({ name }))),
    license_types: filed(PLANS.map((name) => ({ name }))),
    services: [],
  });
  return parsed.ok ? parsed.catalog : fail(JSON.stringify(parsed.faults));
}

function catalogWith(unitPrimitives: readonly Omit<PlainUnitPrimitive, 'name'>[]): PlainCatalog {
  return {
    backend_services: BACKEND_SERVICES,
    unit_primitives: unitPrimitives.map((each, index) => ({ ...each, name: `up_${9 - index}` })),
  };
}

function dayText(instant: number): string {
  return new Date(instant).toISOString().slice(0, 10);
}

function names(items: readonly { readonly name: string }[]): string[] {
  return items.map(({ name }) => name);
}

function fail(message: string): never {
  throw new Error(message);
}

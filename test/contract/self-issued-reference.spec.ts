import fc from 'fast-check';
import type { CatalogItems } from '../../src/domain/catalog-items.js';
import { parseCatalog } from '../../src/domain/parse-catalog.js';
import {
  type NamespacePurchase,
  resolveSelfIssuedScopes,
  type SelfIssuedSubject,
} from '../../src/domain/resolve-self-issued-scopes.js';
import { expectedSelfIssuedScopes } from '../../src/ledger-audit/expected-self-issued.js';

const NOW = new Date('2026-06-15T12:00:00.000Z');
const ADD_ONS = ['duo_amazon_q', 'duo_core', 'duo_enterprise', 'duo_pro'];
const PLANS = ['premium', 'ultimate'];
const NAMES = ['a', 'b', 'c', 'd'];

const primitives = fc.record({
  cut_off_date: fc.constantFrom(null, '2024-10-17', '2026-06-15T12:00:00Z', '2026-06-15T12:00:01Z'),
  license_types: fc.subarray(PLANS),
  backend_services: fc.subarray(['ai_gateway', 'workflow']),
  add_ons: fc.subarray(ADD_ONS),
});
const purchases = fc.record({
  addOn: fc.constantFrom(...ADD_ONS),
  plan: fc.constantFrom(...PLANS),
  startedAt: fc.constantFrom(null, '2026-06-14', '2026-06-15', '2026-06-16'),
  expiresOn: fc.constantFrom('2026-06-15', '2026-06-16', '2027-01-01'),
  voided: fc.boolean(),
});
const cases = fc.record({
  primitives: fc.array(primitives, { minLength: NAMES.length, maxLength: NAMES.length }),
  purchases: fc.array(purchases, { maxLength: 5 }),
  kind: fc.constantFrom('user' as const, 'namespace' as const),
  plan: fc.constantFrom(...PLANS),
  wanted: fc.option(fc.subarray(NAMES)),
  enforce: fc.boolean(),
});

function item<Document>(document: Document) {
  return { file: 'x.yml', document };
}

describe('the rules for users and namespaces of the platform', () => {
  it('mean the same to the service and to the auditor', () => {
    fc.assert(
      fc.property(cases, (given) => {
        const unit_primitives = given.primitives.map((each, n) => ({
          ...{ name: NAMES[n] ?? '', description: 'x' },
          ...each,
        }));
        const backend_services = [
          { name: 'ai_gateway', jwt_aud: 'gitlab-ai-gateway' },
          { name: 'workflow', jwt_aud: 'gitlab-duo-workflow-service' },
        ];
        const items: CatalogItems = {
          unit_primitives: unit_primitives.map(item),
          backend_services: backend_services.map(item),
          add_ons: ADD_ONS.map((name) => item({ name })),
          license_types: PLANS.map((name) => item({ name })),
          services: [],
        };
        const parsed = parseCatalog(items);
        if (!parsed.ok) throw new Error(JSON.stringify(parsed));

        // All purchases of a namespace have its plan; those of a user's seats may differ.
        const bought = given.purchases.map((each, n): NamespacePurchase & { voided: boolean } => ({
          ...each,
          ...{ id: String(n), quantity: 1, voidedAt: each.voided ? NOW : null },
          plan: given.kind === 'user' ? each.plan : given.plan,
        }));
        const plan = bought.length === 0 ? null : given.plan;
        const subject: SelfIssuedSubject =
          given.kind === 'user'
            ? { kind: 'user', purchases: bought, withoutSeat: bought }
            : { kind: 'namespace', plan, purchases: bought };
        const wanted = given.wanted && new Set(given.wanted);
        const rules = { enforceLicenseTypes: given.enforce };
        const { scopes, audiences } = resolveSelfIssuedScopes(
          ...([subject, wanted, parsed.catalog, NOW, rules] as const),
        );
        const expected = expectedSelfIssuedScopes({
          ...{ kind: given.kind, plan, wanted: given.wanted, at: NOW },
          purchases: bought.map((one) => ({
            ...{ id: one.id, add_on: one.addOn, quantity: 1, plan: one.plan, voided: one.voided },
            ...{ started_at: one.startedAt, expires_on: one.expiresOn },
          })),
          catalog: { unit_primitives: unit_primitives.map(plain), backend_services },
          enforce_license_types: given.enforce,
        });
        expect({ scopes, audiences }).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });
});

function plain<Item extends object>(each: Item) {
  return { ...each, min_gitlab_version: null, min_gitlab_version_for_free_access: null };
}

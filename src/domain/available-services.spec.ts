import { availableServices } from './available-services.js';
import type { Catalog, CatalogService, UnitPrimitive } from './catalog.js';

const START = new Date('2024-10-17T00:00:00Z');

function unitPrimitive(fields: Partial<UnitPrimitive> & { name: string }): UnitPrimitive {
  return {
    description: '',
    group: null,
    featureCategory: null,
    documentationUrl: null,
    milestone: null,
    introducedByUrl: null,
    unitPrimitiveIssueUrl: null,
    deprecatedByUrl: null,
    deprecationMessage: null,
    cutOffDate: null,
    minGitlabVersion: null,
    minGitlabVersionForFreeAccess: null,
    licenseTypes: [],
    backendServices: [],
    audiences: [],
    addOns: [],
    ...fields,
  };
}

function service(name: string, fields: Partial<CatalogService>): CatalogService {
  return {
    name,
    description: null,
    basicUnitPrimitive: 'ask',
    gitlabRealms: ['gitlab-com', 'self-managed'],
    unitPrimitives: ['ask'],
    ...fields,
  };
}

function catalog(
  unitPrimitives: readonly UnitPrimitive[],
  services: readonly CatalogService[] = [],
): Catalog {
  return { unitPrimitives, services, backendServices: [], addOns: [], licenseTypes: [] };
}

const ask = unitPrimitive({ name: 'ask', addOns: ['duo_pro'] });

describe('availableServices', () => {
  it('lists a unit primitive on its own, with its cut-off date and its add-ons', () => {
    const listed = availableServices(
      catalog([
        unitPrimitive({ name: 'paid', cutOffDate: START, addOns: ['a', 'b'] }),
        unitPrimitive({ name: 'free' }),
      ]),
      'self-managed',
    );
    expect(listed).toEqual([
      { name: 'free', serviceStartTime: null, bundledWith: null },
      { name: 'paid', serviceStartTime: START, bundledWith: ['a', 'b'] },
    ]);
  });

  it('dates a service by its basic unit primitive and bundles it with the union of all', () => {
    const listed = availableServices(
      catalog(
        [
          unitPrimitive({ name: 'basic', cutOffDate: START, addOns: ['duo_pro', 'duo_core'] }),
          unitPrimitive({ name: 'early', addOns: ['duo_pro', 'duo_enterprise'] }),
        ],
        [service('chat', { basicUnitPrimitive: 'basic', unitPrimitives: ['early', 'basic'] })],
      ),
      'self-managed',
    );
    expect(listed.find(({ name }) => name === 'chat')).toEqual({
      name: 'chat',
      serviceStartTime: START,
      bundledWith: ['duo_core', 'duo_enterprise', 'duo_pro'],
    });
  });

  it('bundles a service with nothing when no add-on carries any part of it', () => {
    const free = catalog([unitPrimitive({ name: 'ask' })], [service('chat', {})]);
    expect(availableServices(free, 'self-managed')[1]).toEqual({
      name: 'chat',
      serviceStartTime: null,
      bundledWith: null,
    });
  });

  it('keeps a service to its realm, and its name away from a unit primitive in every realm', () => {
    const sast = unitPrimitive({ name: 'sast' });
    const only = catalog([ask, sast], [service('sast', { gitlabRealms: ['gitlab-com'] })]);
    expect(availableServices(only, 'self-managed').map(({ name }) => name)).toEqual(['ask']);
    expect(availableServices(only, 'gitlab-com')).toEqual([
      { name: 'ask', serviceStartTime: null, bundledWith: ['duo_pro'] },
      { name: 'sast', serviceStartTime: null, bundledWith: ['duo_pro'] },
    ]);
  });

  it('sells customer-operated models with Duo Enterprise only', () => {
    const models = (addOns: string[]) =>
      availableServices(
        catalog([unitPrimitive({ name: 'ask', addOns })], [service('self_hosted_models', {})]),
        'self-managed',
      ).find(({ name }) => name === 'self_hosted_models')?.bundledWith;
    expect(models(['duo_core', 'duo_enterprise', 'duo_pro'])).toEqual(['duo_enterprise']);
    expect(models(['duo_core'])).toBeNull();
  });

  it('sorts services and unit primitives together by name', () => {
    const mixed = catalog(
      [unitPrimitive({ name: 'zoom' }), ask],
      [service('middle', {}), service('Upper', {})],
    );
    expect(availableServices(mixed, 'self-managed').map(({ name }) => name)).toEqual([
      'Upper',
      'ask',
      'middle',
      'zoom',
    ]);
  });
});

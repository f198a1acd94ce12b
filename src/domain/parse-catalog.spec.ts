import type { CatalogItems, UnitPrimitiveDocument } from './catalog-items.js';
import type { Catalog } from './catalog.js';
import { parseCatalog } from './parse-catalog.js';

function items(overrides: Partial<CatalogItems> = {}): CatalogItems {
  return {
    unit_primitives: [askEpic()],
    backend_services: [
      { file: 'b/gateway', document: { name: 'ai_gateway', jwt_aud: 'gitlab-ai-gateway' } },
    ],
    add_ons: [
      { file: 'a/pro', document: { name: 'duo_pro' } },
      { file: 'a/enterprise', document: { name: 'duo_enterprise' } },
    ],
    license_types: [{ file: 'l/ultimate', document: { name: 'ultimate' } }],
    services: [],
    ...overrides,
  };
}

function askEpic(fields: Partial<UnitPrimitiveDocument> = {}) {
  return { file: 'u/epic', document: { name: 'ask_epic', description: 'Asks', ...fields } };
}

function catalogOf(given: CatalogItems): Catalog {
  const parsed = parseCatalog(given);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return parsed.catalog;
}

function faultsOf(given: CatalogItems): string[] {
  const parsed = parseCatalog(given);
  if (parsed.ok) throw new Error('expected faults');
  return parsed.faults.map(({ file, field, reason }) => `${file} ${field}: ${reason}`);
}

describe('parseCatalog', () => {
  it('reads an absent member as unknown, unlimited or none', () => {
    expect(catalogOf(items()).unitPrimitives).toEqual([
      {
        name: 'ask_epic',
        description: 'Asks',
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
      },
    ]);
  });

  it('sorts every list and names everything once', () => {
    const catalog = catalogOf(
      items({
        unit_primitives: [
          { file: 'u/z', document: { name: 'zoom', description: 'Z' } },
          askEpic({ add_ons: ['duo_pro', 'duo_enterprise', 'duo_pro'] }),
        ],
        backend_services: ['z', 'a'].map((name) => ({
          file: name,
          document: { name, jwt_aud: name },
        })),
        license_types: ['ultimate', 'premium'].map((name) => ({ file: name, document: { name } })),
        services: ['zeal', 'all'].map((name) => ({
          file: name,
          document: { name, unit_primitives: ['zoom', 'ask_epic', 'zoom'] },
        })),
      }),
    );
    expect(catalog.unitPrimitives.map(({ name }) => name)).toEqual(['ask_epic', 'zoom']);
    expect(catalog.unitPrimitives[0]?.addOns).toEqual(['duo_enterprise', 'duo_pro']);
    expect(catalog.addOns.map(({ name }) => name)).toEqual(['duo_enterprise', 'duo_pro']);
    expect(catalog.backendServices.map(({ name }) => name)).toEqual(['a', 'z']);
    expect(catalog.licenseTypes.map(({ name }) => name)).toEqual(['premium', 'ultimate']);
    expect(catalog.services.map(({ name }) => name)).toEqual(['all', 'zeal']);
    expect(catalog.services[0]?.unitPrimitives).toEqual(['ask_epic', 'zoom']);
  });

  it('derives the audiences, once each where two backends share one', () => {
    const catalog = catalogOf(
      items({
        backend_services: [
          { file: 'b/1', document: { name: 'workflow', jwt_aud: 'z-aud' } },
          { file: 'b/2', document: { name: 'gateway', jwt_aud: 'a-aud' } },
          { file: 'b/3', document: { name: 'other_gateway', jwt_aud: 'a-aud' } },
        ],
        unit_primitives: [askEpic({ backend_services: ['workflow', 'gateway', 'other_gateway'] })],
      }),
    );
    expect(catalog.unitPrimitives[0]?.audiences).toEqual(['a-aud', 'z-aud']);
  });

  it.each([
    ['a plain day', '2024-10-17'],
    ['the text of an older catalog', '2024-10-17 00:00:00 UTC'],
    ['an instant that the YAML reader already made', new Date('2024-10-17T00:00:00Z')],
  ])('reads a cut-off date given as %s', (_form, value) => {
    const catalog = catalogOf(items({ unit_primitives: [askEpic({ cut_off_date: value })] }));
    expect(catalog.unitPrimitives[0]?.cutOffDate).toEqual(new Date('2024-10-17T00:00:00Z'));
  });

  it('reads both minimum versions', () => {
    const versions = { min_gitlab_version: '16.10', min_gitlab_version_for_free_access: '16.8.2' };
    const catalog = catalogOf(items({ unit_primitives: [askEpic(versions)] }));
    expect(catalog.unitPrimitives[0]?.minGitlabVersion?.parts).toEqual([16, 10, 0]);
    expect(catalog.unitPrimitives[0]?.minGitlabVersionForFreeAccess?.parts).toEqual([16, 8, 2]);
  });

  it('offers a service everywhere and lets its first unit primitive stand for it by default', () => {
    const unit_primitives = [
      askEpic(),
      { file: 'u/z', document: { name: 'zoom', description: 'Z' } },
    ];
    const service = (fields: object) => ({
      file: 's/chat',
      document: { name: 'chat', unit_primitives: ['zoom', 'ask_epic'], ...fields },
    });
    expect(catalogOf(items({ unit_primitives, services: [service({})] })).services[0]).toEqual({
      name: 'chat',
      description: null,
      basicUnitPrimitive: 'zoom',
      gitlabRealms: ['gitlab-com', 'self-managed'],
      unitPrimitives: ['ask_epic', 'zoom'],
    });
    const stated = service({ basic_unit_primitive: 'ask_epic', gitlab_realm: ['self-managed'] });
    expect(catalogOf(items({ unit_primitives, services: [stated] })).services[0]).toMatchObject({
      basicUnitPrimitive: 'ask_epic',
      gitlabRealms: ['self-managed'],
    });
  });

  describe('the historical name of Duo Pro', () => {
    const historical = { file: 'a/cs', document: { name: 'code_suggestions', description: 'old' } };

    it('is duo_pro, in a definition and in references to it', () => {
      const catalog = catalogOf(
        items({
          add_ons: [historical],
          unit_primitives: [askEpic({ add_ons: ['code_suggestions', 'duo_pro'] })],
        }),
      );
      expect(catalog.addOns).toEqual([{ name: 'duo_pro', description: 'old' }]);
      expect(catalog.unitPrimitives[0]?.addOns).toEqual(['duo_pro']);
    });

    it('gives way to a definition under the name of today', () => {
      const pro = { file: 'a/pro', document: { name: 'duo_pro', description: 'new' } };
      expect(catalogOf(items({ add_ons: [historical, pro] })).addOns).toEqual([
        { name: 'duo_pro', description: 'new' },
      ]);
    });

    it('stays the name of the unit primitive and of the service', () => {
      const catalog = catalogOf(
        items({
          unit_primitives: [askEpic({ name: 'code_suggestions' })],
          services: [
            {
              file: 's/cs',
              document: { name: 'code_suggestions', unit_primitives: ['code_suggestions'] },
            },
          ],
        }),
      );
      expect(catalog.unitPrimitives[0]?.name).toBe('code_suggestions');
      expect(catalog.services[0]?.name).toBe('code_suggestions');
      expect(catalog.services[0]?.unitPrimitives).toEqual(['code_suggestions']);
    });
  });
});

describe('parseCatalog, given something wrong', () => {
  it('names every fault of every file at once', () => {
    expect(
      faultsOf(
        items({
          unit_primitives: [
            askEpic({
              add_ons: ['duo_prro'],
              backend_services: ['gateway'],
              license_types: ['free'],
              cut_off_date: '2024-02-30',
              min_gitlab_version: 'new',
              min_gitlab_version_for_free_access: '1.69e1',
            }),
          ],
          backend_services: [{ file: 'b/x', document: { name: 'x', jwt_aud: ' ' } }],
          services: [
            {
              file: 's/1',
              document: {
                name: 'one',
                basic_unit_primitive: 'ask_issue',
                unit_primitives: ['ask_epic', 'ask_isue'],
              },
            },
            { file: 's/2', document: { name: 'two', unit_primitives: [] } },
          ],
        }),
      ).sort(),
    ).toEqual([
      'b/x jwt_aud: is empty: tokens need an audience',
      "s/1 basic_unit_primitive: 'ask_issue' is not one of the service's unit_primitives",
      "s/1 unit_primitives: 'ask_isue' is not defined by any file in unit_primitives/",
      's/2 unit_primitives: is empty: a service groups at least one',
      "u/epic add_ons: 'duo_prro' is not defined by any file in add_ons/",
      "u/epic backend_services: 'gateway' is not defined by any file in backend_services/",
      "u/epic cut_off_date: '2024-02-30' is not a date such as 2024-10-17T00:00:00Z",
      "u/epic license_types: 'free' is not defined by any file in license_types/",
      "u/epic min_gitlab_version: 'new' is not a GitLab version such as '16.9'",
      "u/epic min_gitlab_version_for_free_access: '1.69e1' is not a GitLab version such as '16.9'",
    ]);
  });

  it('refuses an invalid instant that a YAML reader made', () => {
    const broken = askEpic({ cut_off_date: new Date(Number.NaN) });
    expect(faultsOf(items({ unit_primitives: [broken] }))).toHaveLength(1);
  });

  it.each(['unit_primitives', 'backend_services', 'add_ons', 'license_types', 'services'] as const)(
    'refuses two %s of one name and says where the first is',
    (kind) => {
      const document = {
        name: 'twin',
        description: '',
        jwt_aud: 'aud',
        unit_primitives: ['ask_epic'],
      };
      const twins = [
        { file: 'first', document },
        { file: 'second', document },
      ];
      const others = kind === 'unit_primitives' ? [askEpic()] : [];
      expect(faultsOf(items({ [kind]: [...others, ...twins] }))).toEqual([
        "second name: 'twin' is already the name in first",
      ]);
    },
  );
});

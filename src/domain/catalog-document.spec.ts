import { catalogDocument } from './catalog-document.js';
import { parseCatalog } from './parse-catalog.js';

function documentOf(unitPrimitive: object) {
  const parsed = parseCatalog({
    unit_primitives: [
      { file: 'u', document: { name: 'ask_epic', description: 'Asks', ...unitPrimitive } },
    ],
    backend_services: [
      {
        file: 'b',
        document: { name: 'ai_gateway', jwt_aud: 'aud', project_url: 'https://x.test' },
      },
    ],
    add_ons: [{ file: 'a', document: { name: 'code_suggestions' } }],
    license_types: [{ file: 'l', document: { name: 'ultimate', description: 'The plan' } }],
    services: [{ file: 's', document: { name: 'chat', unit_primitives: ['ask_epic'] } }],
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.faults));
  return catalogDocument(parsed.catalog);
}

describe('catalogDocument', () => {
  it('is what an instance reads: four lists, snake_case, relations as arrays of names', () => {
    const everything = {
      name: 'ask_epic',
      description: 'Asks',
      group: 'group::duo chat',
      feature_category: 'duo_chat',
      documentation_url: 'https://docs.test',
      milestone: '17.5',
      introduced_by_url: 'https://mr.test',
      unit_primitive_issue_url: 'https://issue.test',
      deprecated_by_url: 'https://gone.test',
      deprecation_message: 'Gone',
      cut_off_date: '2024-10-17T00:00:00.000+00:00',
      min_gitlab_version: '16.10',
      min_gitlab_version_for_free_access: '16.8',
      license_types: ['ultimate'],
      backend_services: ['ai_gateway'],
      add_ons: ['duo_pro'],
    };
    expect(documentOf(everything)).toEqual({
      backend_services: [{ name: 'ai_gateway', jwt_aud: 'aud', project_url: 'https://x.test' }],
      unit_primitives: [everything],
      add_ons: [{ name: 'duo_pro' }],
      license_types: [{ name: 'ultimate', description: 'The plan' }],
    });
  });

  it('leaves out what is unknown, but never an empty relation', () => {
    expect(documentOf({}).unit_primitives).toEqual([
      {
        name: 'ask_epic',
        description: 'Asks',
        license_types: [],
        backend_services: [],
        add_ons: [],
      },
    ]);
  });

  it.each(['2024-10-17', '2024-10-17 02:00:00+0200'])(
    'writes the cut-off date %s in UTC with milliseconds and a numeric offset',
    (cut_off_date) => {
      const [unitPrimitive] = documentOf({ cut_off_date }).unit_primitives;
      expect(unitPrimitive?.['cut_off_date']).toBe('2024-10-17T00:00:00.000+00:00');
    },
  );
});

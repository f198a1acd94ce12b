import { rmSync } from 'node:fs';
import { join } from 'node:path';

import { CatalogFaultsError } from '../../src/catalog/catalog-faults-error.js';
import { loadCatalog } from '../../src/catalog/load-catalog.js';
import { catalogFolder, removeCatalogFolders } from './catalog-folder.js';

afterEach(removeCatalogFolders);

function faultsOf(folder: string): string[] {
  return rejection(folder).faults.map(({ file, field, reason }) => `${file}: ${field}: ${reason}`);
}

function rejection(folder: string): CatalogFaultsError {
  try {
    loadCatalog(folder);
  } catch (error) {
    if (error instanceof CatalogFaultsError) return error;
    throw error;
  }
  throw new Error('expected faults');
}

describe('loadCatalog', () => {
  it('reads a small catalog without a word', () => {
    const { catalog, warnings } = loadCatalog(catalogFolder());
    expect(warnings).toEqual([]);
    expect(catalog.unitPrimitives).toMatchObject([
      { name: 'ask_epic', addOns: ['duo_pro'], audiences: ['gitlab-gateway'] },
    ]);
  });

  it('reads the config folder of the vendor: its schemas, README and newer fields do not matter', () => {
    const folder = catalogFolder({
      'schemas/unit_primitive_schema.json': '{ "required": ["alias_names", "group"] }',
      'README.md': '# Configuration',
      '.editorconfig': '',
      'unit_primitives/.gitkeep': '',
      'unit_primitives/duo_chat.yaml': [
        '---',
        'name: duo_chat',
        'description: Chat',
        'alias_names: [chat]',
        'cut_off_date: 2024-10-17T00:00:00+00:00',
        'min_gitlab_version: 16.10',
        "min_gitlab_version_for_free_access: '16.8'",
        'group: group::duo_chat',
        'feature_category: duo_chat',
        'documentation_url: null',
        'backend_services:',
        '    - gateway',
        'add_ons:',
        '    - code_suggestions',
        '    - duo_pro',
        'license_types: # which plans',
        '  - ultimate',
      ].join('\n'),
    });
    const { catalog, warnings } = loadCatalog(folder);
    expect(catalog.unitPrimitives[1]).toMatchObject({
      name: 'duo_chat',
      group: 'group::duo_chat',
      cutOffDate: new Date('2024-10-17T00:00:00Z'),
      minGitlabVersion: { text: '16.10', parts: [16, 10, 0] },
      addOns: ['duo_pro'],
      licenseTypes: ['ultimate'],
    });
    expect(warnings).toEqual([
      'README.md: does not belong to a catalog, ignored',
      'schemas: does not belong to a catalog, ignored',
      "unit_primitives/duo_chat.yaml: field 'alias_names' is unknown, ignored",
    ]);
  });

  it('warns about a file whose name is not the one that it defines, and about other files', () => {
    const folder = catalogFolder({
      'add_ons/enterprise.yml': 'name: duo_enterprise',
      'add_ons/notes.txt': 'to do',
    });
    expect(loadCatalog(folder).warnings).toEqual([
      'add_ons/notes.txt: is not a YAML file, ignored',
      "add_ons/enterprise.yml: defines 'duo_enterprise', but the file has another name",
    ]);
  });

  it.each([
    ['a quoted day', "'2024-10-17'"],
    ['a bare day', '2024-10-17'],
    ['a timestamp', '2024-10-17 00:00:00 UTC'],
    ['a tagged timestamp', '!!timestamp 2024-10-17'],
  ])('reads a cut-off date given as %s', (_form, written) => {
    const folder = catalogFolder({
      'unit_primitives/ask_epic.yml': `name: ask_epic\ndescription: Asks\ncut_off_date: ${written}\n`,
    });
    expect(loadCatalog(folder).catalog.unitPrimitives[0]?.cutOffDate).toEqual(
      new Date('2024-10-17T00:00:00Z'),
    );
  });

  it('gives catalogs that mean the same one digest, and another to any other', () => {
    const reordered = {
      'add_ons/duo_pro.yml': null,
      'add_ons/pro.yaml': '# the old name\nname: code_suggestions',
      'services/chat.yml': 'unit_primitives: [ask_epic, ask_epic] # twice\nname: chat\n',
    };
    const { digest } = loadCatalog(catalogFolder());
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(loadCatalog(catalogFolder(reordered)).digest).toBe(digest);
    const other = { 'backend_services/gateway.yml': 'name: gateway\njwt_aud: other\n' };
    expect(loadCatalog(catalogFolder(other)).digest).not.toBe(digest);
  });
});

describe('loadCatalog, given something wrong', () => {
  it('reports the faults of shape and of meaning of every file at once', () => {
    const folder = catalogFolder({
      'unit_primitives/ask_epic.yml':
        'name: ask_epic\ndescription: 7\ncut_off_date: [2024]\nadd_ons: [duo_prro]\nlicense_types: [{}]\n',
      'unit_primitives/ask_build.yml': 'name: ask_build\ncut_off_date: soon\n',
      'unit_primitives/broken.yml': 'name: broken\ndescription: [\n',
      'unit_primitives/twice.yml': 'name: twice\nname: twice\ndescription: x\n',
      'backend_services/gateway.yml': 'name: gateway\n',
      'backend_services/list.yml': '- name: list\n',
      'services/chat.yml':
        'name: chat\ngitlab_realm: [dedicated]\nunit_primitives: [ask_epic, broken, ask_isue]\n',
      'license_types/empty.yml': '',
    });
    expect(faultsOf(folder)).toEqual([
      'backend_services/gateway.yml: jwt_aud: is missing',
      'backend_services/list.yml: (file): must be object',
      'license_types/empty.yml: (file): must be object',
      'services/chat.yml: gitlab_realm[0]: must be one of gitlab-com, self-managed',
      "services/chat.yml: unit_primitives: 'ask_isue' is not defined by any file in unit_primitives/",
      "unit_primitives/ask_build.yml: cut_off_date: 'soon' is not a date such as 2024-10-17T00:00:00Z",
      'unit_primitives/ask_build.yml: description: is missing',
      "unit_primitives/ask_epic.yml: add_ons: 'duo_prro' is not defined by any file in add_ons/",
      'unit_primitives/ask_epic.yml: cut_off_date: must be string,null',
      'unit_primitives/ask_epic.yml: license_types[0]: must be string',
      expect.stringMatching(/^unit_primitives\/broken\.yml: \(line \d\): /),
      'unit_primitives/twice.yml: (line 2): Map keys must be unique',
    ]);
  });

  it('lists them in one message that ends with what to do', () => {
    const folder = catalogFolder({ 'add_ons/duo_pro.yml': 'name: Duo Pro', 'notes.txt': '' });
    const { message, warnings } = rejection(folder);
    const lines = message.split('\n');
    expect(lines[0]).toContain(folder);
    expect(lines[1]).toMatch(/^add_ons\/duo_pro\.yml: name: must match pattern/);
    expect(lines[2]).toMatch(
      /^unit_primitives\/ask_epic\.yml: add_ons: 'duo_pro' is not defined by/,
    );
    expect(lines[3]).toMatch(/catalog:validate/);
    expect(warnings).toContain('notes.txt: does not belong to a catalog, ignored');
  });

  it('reports a missing folder once and not once more for all that refers to it', () => {
    const folder = catalogFolder();
    rmSync(join(folder, 'add_ons'), { recursive: true });
    rmSync(join(folder, 'services'), { recursive: true });
    expect(faultsOf(folder)).toEqual([
      'add_ons: (folder): is missing: a catalog has this folder',
      'services: (folder): is missing: a catalog has this folder',
    ]);
  });

  it('refuses a path that is not a folder, and a catalog without unit primitives', () => {
    const folder = catalogFolder({ 'unit_primitives/ask_epic.yml': null });
    expect(faultsOf(join(folder, 'nowhere'))).toEqual([
      `${join(folder, 'nowhere')}: (folder): is not a folder that can be read`,
    ]);
    const file = join(folder, 'add_ons', 'duo_pro.yml');
    expect(faultsOf(file)).toEqual([`${file}: (folder): is not a folder that can be read`]);
    expect(faultsOf(folder)).toEqual(['unit_primitives: (folder): has no YAML file']);
  });

  it.each([
    ['two documents in one file', 'name: a\n---\nname: b\n', '(line 2)'],
    ['an alias to nothing', 'name: *nothing\n', '(aliases)'],
    ['a key that is not a string', '? [a]\n: b\n', '(line 1)'],
    ['a list', '- a\n', '(file)'],
    [
      'aliases that multiply',
      `a: &a [x, x]\nb: &b [${'*a, '.repeat(9)}*a]\nc: [${'*b, '.repeat(9)}*b]\nname: a\n`,
      '(aliases)',
    ],
    ['a file without an end', `name: a\n# ${'x'.repeat(65_536)}\n`, '(file)'],
  ])('refuses %s', (_what, text, field) => {
    const [fault, ...more] = rejection(catalogFolder({ 'add_ons/a.yml': text })).faults;
    expect(more).toEqual([]);
    expect(fault?.file).toBe('add_ons/a.yml');
    expect(fault?.field).toBe(field);
  });

  it.each(['17', '1.61e1', 'v16.9'])(
    'refuses %s for a version rather than guess which is meant',
    (written) => {
      const folder = catalogFolder({
        'unit_primitives/ask_epic.yml': `name: ask_epic\ndescription: Asks\nmin_gitlab_version: ${written}\n`,
      });
      expect(faultsOf(folder)).toEqual([
        `unit_primitives/ask_epic.yml: min_gitlab_version: '${written}' is not a GitLab version such as '16.9'`,
      ]);
    },
  );
});

import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import * as fc from 'fast-check';

import { CatalogFaultsError } from '../../src/catalog/catalog-faults-error.js';
import { CatalogItemChecks } from '../../src/catalog/check-catalog-item.js';
import { loadCatalog } from '../../src/catalog/load-catalog.js';
import { checkCatalogText } from '../../src/catalog/read-catalog-file.js';
import type { CatalogKind } from '../../src/domain/catalog-items.js';
import { describeUnless, missingModule } from '../support/debian.js';
import { times } from '../support/proofs.js';
import { catalogFolder, removeCatalogFolders } from './catalog-folder.js';
import { readByPython } from './foreign-readers.js';
import { writtenDocuments } from './written-documents.js';

afterEach(removeCatalogFolders);

const TEXT_DATE =
  'unit_primitives/ask_epic.yml: cut_off_date is a text, and a gitlab-cloud-connector gem needs a date: ' +
  'write it without quotes, such as 2024-10-17T00:00:00Z';

/** A sound catalog whose unit primitive has one more line. */
function withField(field: string, written: string): string {
  const text = `name: ask_epic\ndescription: Asks\n${field}: ${written}\n`;
  return catalogFolder({ 'unit_primitives/ask_epic.yml': text });
}

const checks = new CatalogItemChecks();

/** One file as the catalog would have it, without the checks across files. */
function reading(file: string, text: string) {
  const kind = file.slice(0, file.indexOf('/')) as CatalogKind;
  return checkCatalogText({ kind, file }, text, checks);
}

/** The faults of a unit primitive that has one more line. */
function faultsWith(field: string, written: string): string[] {
  const text = `name: ask_epic\ndescription: Asks\n${field}: ${written}\n`;
  return reading('unit_primitives/ask_epic.yml', text).faults.map(
    ({ field: place, reason }) => `${place}: ${reason}`,
  );
}

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
      'unit_primitives/duo_chat.yml': [
        '---',
        'name: duo_chat',
        'description: Chat',
        'seat_assignable: true',
        'cut_off_date: 2024-10-17T00:00:00+00:00',
        "min_gitlab_version: '16.10'",
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
      "unit_primitives/duo_chat.yml: field 'seat_assignable' is unknown, ignored",
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
    ['a day', '2024-10-17 # UTC', []],
    ['an instant', '2024-10-17T00:00:00+00:00', []],
    ['an instant in another zone', '2024-10-17T02:00:00+02:00', []],
    ['an instant without a zone', '2024-10-17 00:00:00', []],
    ['a quoted day', "'2024-10-17'", [TEXT_DATE]],
    ['the text of an older catalog', '2024-10-17 00:00:00 UTC', [TEXT_DATE]],
  ])('reads a cut-off date given as %s', (_form, written, expected) => {
    const { catalog, warnings } = loadCatalog(withField('cut_off_date', written));
    expect(catalog.unitPrimitives[0]?.cutOffDate).toEqual(new Date('2024-10-17T00:00:00Z'));
    expect(warnings).toEqual(expected);
  });

  it('does without services/, which the vendor is about to drop', () => {
    const folder = catalogFolder();
    rmSync(join(folder, 'services'), { recursive: true });
    const { catalog, warnings } = loadCatalog(folder);
    expect(catalog.services).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it('reads what a link leads to, a byte order mark, Windows line ends, anchors and block texts', () => {
    const folder = catalogFolder({
      'unit_primitives/ask_epic.yml': null,
      elsewhere:
        '\ufeffname: ask_epic\r\ndescription: >-\r\n  Asks\r\nbackend_services: &all [gateway]\r\nx-old: *all\r\n',
    });
    symlinkSync(join(folder, 'elsewhere'), join(folder, 'unit_primitives', 'ask_epic.yml'));
    expect(loadCatalog(folder).catalog.unitPrimitives).toMatchObject([
      { name: 'ask_epic', description: 'Asks', audiences: ['gitlab-gateway'] },
    ]);
  });

  it('gives catalogs that mean the same one digest, and another to any other', () => {
    const reordered = {
      'add_ons/duo_pro.yml': null,
      'add_ons/pro.yml': '# the old name\nname: code_suggestions',
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
      'unit_primitives/ask_epic.yml: description: 7 must be in quotes: without them it is not a text to readers of YAML',
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
    rmSync(join(folder, 'backend_services'), { recursive: true });
    expect(faultsOf(folder)).toEqual([
      'add_ons: (folder): is missing: a catalog has this folder',
      'backend_services: (folder): is missing: a catalog has this folder',
    ]);
  });

  it('refuses a path that is not a folder, and a catalog without unit primitives', () => {
    const folder = catalogFolder({ 'unit_primitives/ask_epic.yml': null });
    expect(faultsOf(join(folder, 'nowhere'))).toEqual([
      `${join(folder, 'nowhere')}: (folder): is not a folder that can be read`,
    ]);
    const file = join(folder, 'add_ons', 'duo_pro.yml');
    expect(faultsOf(file)).toEqual([`${file}: (folder): is not a folder that can be read`]);
    expect(faultsOf(folder)).toEqual(['unit_primitives: (folder): has no .yml file']);
  });

  it.each([
    ['two documents in one file', 'name: a\n---\nname: b\n', '(line 2)'],
    ['a field given twice', 'name: a\nname: b\n', '(line 2)'],
    ['an alias to nothing', 'name: *nothing\n', '(aliases)'],
    ['a list within itself', 'name: a\ndescription: &a [*a]\n', 'description'],
    ['a field whose name is a list', '? [a]\n: b\n', '(line 1)'],
    ['a field whose name is a number', 'name: a\n16.9: b\n', '(line 2)'],
    ['a field whose name is a boolean to Ruby and Python', 'name: a\nyes: b\n', '(line 2)'],
    ['a mapping to merge', 'name: a\nx-all: &all {description: b}\n<<: *all\n', '(line 3)'],
    ['a quoted <<, which Ruby merges all the same', 'name: a\n"<<": {name: b}\n', '(line 2)'],
    ['a tag', 'name: !!str a\n', '(line 1)'],
    ['a tag of Ruby', 'name: !ruby/object:Object {}\n', '(line 1)'],
    ['a directive', '%YAML 1.1\n---\nname: a\n', '(line 1)'],
    ['a symbol of Ruby', 'name: a\ndescription: :b\n', '(line 2)'],
    [
      'a line that ends in CR, as Ruby and Python see it',
      'name: a # Add-on\rdescription: b\n',
      '(line 1)',
    ],
    ['a line separator, likewise', 'name: a # Add-on\u2028description: b\n', '(line 1)'],
    ['a tab', 'name:\ta\n', '(line 1)'],
    ['a control character', 'name: a\n# \u0007\n', '(line 2)'],
    ['a second byte order mark', 'name: a\n\ufeffdescription: b\n', '(line 2)'],
    ['an anchor given twice', 'name: &b a\ndescription: &b c\n', '(line 2)'],
    ['a line joined by a backslash', 'name: a\ndescription: "b\\\n\n  c"\n', '(line 2)'],
    ['a block text of blanks', 'name: a\ndescription: |2\n   \n\n', '(line 2)'],
    ['what Ruby takes for a number and fails at', 'name: a\nlifecycle: .e+5\n', '(line 2)'],
    ['a list', '- a\n', '(file)'],
    [
      'aliases that multiply',
      `a: &a [x, x]\nb: &b [${'*a, '.repeat(9)}*a]\nc: [${'*b, '.repeat(9)}*b]\nname: a\n`,
      '(aliases)',
    ],
    ['an anchor that PyYAML does not take', 'name: a\ndescription: &b! c\n', '(line 2)'],
  ])('refuses %s', (_what, text, field) => {
    const [fault, ...more] = reading('add_ons/a.yml', text).faults;
    expect(more).toEqual([]);
    expect(fault?.field).toBe(field);
  });

  it('refuses more levels than it can read', () => {
    const lists = '['.repeat(9000) + ']'.repeat(9000);
    expect(reading('add_ons/a.yml', `name: a\nlevels: ${lists}\n`).faults).not.toEqual([]);
  });

  it('refuses files that are not written in UTF-8, are too long, or are no files', () => {
    const folder = catalogFolder({
      'add_ons/latin1.yml': Buffer.from('name: a\n# caf\u00e9\n', 'latin1'),
      'add_ons/long.yml': `name: a\n# ${'x'.repeat(65_536)}\n`,
      'add_ons/utf16.yml': Buffer.from('\ufeffname: a\n', 'utf16le'),
    });
    symlinkSync('nowhere', join(folder, 'add_ons', 'dangling.yml'));
    symlinkSync('/dev/zero', join(folder, 'add_ons', 'zero.yml'));
    expect(faultsOf(folder)).toEqual([
      expect.stringContaining("add_ons/dangling.yml: (file): can't be read: Error: ENOENT"),
      'add_ons/latin1.yml: (file): is not written in UTF-8',
      'add_ons/long.yml: (file): is longer than 65536 bytes',
      'add_ons/utf16.yml: (file): is not written in UTF-8',
      'add_ons/zero.yml: (file): is not a file',
    ]);
  });

  it.each(['notes.yaml', 'notes.YML', 'notes.Yaml'])(
    'refuses a file %s, which the gem would pass over',
    (name) => {
      const folder = catalogFolder({ [`add_ons/${name}`]: 'name: notes\n' });
      expect(faultsOf(folder)).toEqual([
        `add_ons/${name}: (file): has a name that does not end in .yml, so other tools pass over it`,
      ]);
    },
  );

  describe.each([
    ['unit_primitives/ask_epic.yml', 'name: ask_epic\ndescription: Asks\n'],
    ['backend_services/gateway.yml', 'name: gateway\njwt_aud: gitlab-gateway\n'],
    ['add_ons/duo_pro.yml', 'name: duo_pro\n'],
    ['license_types/ultimate.yml', 'name: ultimate\n'],
    ['services/chat.yml', 'name: chat\nunit_primitives: [ask_epic]\n'],
  ])('with one more field in %s', (file, text) => {
    it.each(['descripton', 'Description', 'descriptions', 'DESCRIPTION', '" description"'])(
      'refuses %s, which was meant to be description',
      (field) => {
        expect(reading(file, `${text}${field}: Text\n`).faults).toContainEqual({
          file,
          field: field.replaceAll('"', ''),
          reason: "is unknown, and looks like 'description' misspelt",
        });
      },
    );

    it('passes over one that is like none', () => {
      expect(reading(file, `${text}lifecycle: [1, off]\n`)).toMatchObject({
        faults: [],
        warnings: [`${file}: field 'lifecycle' is unknown, ignored`],
      });
    });
  });

  it.each([
    ...[
      'cutoff_date',
      'cut-off-date',
      'cutOffDate',
      'cut_of_date',
      'cut_off_dates',
      'cut_off',
      'CUT_OFF_DATE',
    ],
    ...['cut_off_dtae', 'cutoff', 'cut_off_time', '\u0441ut_off_date', 'cut_off_date\u200b'],
  ])('refuses %s, without which the feature would be free', (field) => {
    expect(faultsWith(field, '2024-10-17')).toEqual([
      `${field}: is unknown, and looks like 'cut_off_date' misspelt`,
    ]);
  });

  it.each([
    ['licence_types', 'license_types'],
    ['license_type', 'license_types'],
    ['licenseTypes', 'license_types'],
    ['min_version', 'min_gitlab_version'],
    ['minimum_gitlab_version', 'min_gitlab_version'],
    ['max_gitlab_version', 'min_gitlab_version'],
    ['min_gitlab_version_free_access', 'min_gitlab_version_for_free_access'],
    ['addons', 'add_ons'],
    ['add_on', 'add_ons'],
    ['backend_service', 'backend_services'],
  ])('refuses %s, which was meant to be %s', (field, meant) => {
    expect(faultsWith(field, '[]')).toEqual([
      `${field}: is unknown, and looks like '${meant}' misspelt`,
    ]);
  });

  it.each([
    ['Services', 'services'],
    ['unit-primitives', 'unit_primitives'],
    ['licence_types', 'license_types'],
  ])('refuses a folder %s, which was meant to be %s', (name, meant) => {
    const folder = catalogFolder();
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'a.yml'), 'name: a\n');
    expect(faultsOf(folder)).toEqual([
      `${name}: (folder): is unknown, and looks like '${meant}' misspelt`,
    ]);
  });

  it.each([
    ...[
      '16.9',
      '16.10',
      '17',
      '1.61e1',
      '1_6.9',
      '0o17',
      '017',
      '0x11',
      '0b11',
      '16:30',
      '1,7',
      '.5',
    ],
    ...['yes', 'no', 'on', 'Off', 'y', 'true', 'FALSE', 'nULL', '.inf'],
  ])(
    'refuses %s without quotes for a version, as other readers of YAML make something else of it',
    (written) => {
      expect(faultsWith('min_gitlab_version', written)).toEqual([
        `min_gitlab_version: ${written} must be in quotes: without them it is not a text to readers of YAML`,
      ]);
    },
  );

  it.each(['v16.9', "'17'", "'16.9\n\n  '", '"16.9\\n"'])('refuses %j for a version', (written) => {
    expect(faultsOf(withField('min_gitlab_version', written))).toEqual([
      expect.stringMatching(/min_gitlab_version: '.*' is not a GitLab version such as '16\.9'$/s),
    ]);
  });

  it.each([
    ...[
      '2024-02-30',
      '2024-1-7',
      '2024-10-17T24:00:00Z',
      '2024-10-17T00:00Z',
      '2024-10-17T00:00:00-00:30',
    ],
    ...['2024-10-17T00:00:00+0200', '-2024-10-17'],
  ])('refuses the date %s, which other readers of YAML do not read, or not alike', (written) => {
    expect(faultsWith('cut_off_date', written)).toEqual([
      `(line 3): ${written} is neither a text nor a date such as 2024-10-17T00:00:00Z to readers of YAML: quote a text`,
    ]);
  });

  it.each([
    ['a date where a text belongs', 'milestone', '2024-10-17', 'is a date: quote a text'],
    ['a date in a list', 'add_ons', '[2024-10-17]', 'is a date: quote a text'],
    [
      'an empty text for a date',
      'cut_off_date',
      "''",
      "'' is not a date such as 2024-10-17T00:00:00Z",
    ],
    [
      'the text null for a date',
      'cut_off_date',
      "'null'",
      "'null' is not a date such as 2024-10-17T00:00:00Z",
    ],
    [
      'a number for a date',
      'cut_off_date',
      '1729123200',
      "'1729123200' is not a date such as 2024-10-17T00:00:00Z",
    ],
    ['false for a date', 'cut_off_date', 'no', "'no' is not a date such as 2024-10-17T00:00:00Z"],
    ['false for a list', 'license_types', 'no', 'must be array,null'],
    ['a text with a line end for a name', 'license_types', '[{}]', 'must be string'],
  ])('refuses %s', (_what, field, written, reason) => {
    expect(faultsOf(withField(field, written))).toEqual([
      expect.stringMatching(new RegExp(`: ${field}(\\[0\\])?: `)),
    ]);
    expect(faultsOf(withField(field, written))[0]).toContain(reason);
  });
});

describeUnless(missingModule('yaml', 'python3-yaml'))('the same text, read by PyYAML', () => {
  const texts = fc.sample(writtenDocuments(), { numRuns: times(4000, 400), seed: 11 });
  const read = texts.map((text) => reading('unit_primitives/ask_epic.yml', text));

  /** A field that we do not know means nothing to us. */
  function withoutUnknown(document: object): object {
    const unknown = new Set(
      checks.unknownFields('unit_primitives', document).map(({ field }) => field),
    );
    return Object.fromEntries(Object.entries(document).filter(([field]) => !unknown.has(field)));
  }

  // Ruby's Psych and the second loader share the parser libyaml.
  it.each(['SafeLoader', 'CSafeLoader'] as const)(
    'means the same to %s, or is refused',
    (loader) => {
      const theirs = readByPython(texts, loader);
      const accepted = read.flatMap(({ document, faults }, index) =>
        faults.length > 0 ? [] : [{ text: texts[index], document, theirs: theirs[index] ?? {} }],
      );
      expect(accepted.length).toBeGreaterThan(texts.length / 10);
      for (const { text, document, theirs } of accepted) {
        expect({ text, ...withoutUnknown(document) }).toEqual({ text, ...withoutUnknown(theirs) });
      }
    },
  );
});

import { validateCatalog } from '../../src/cli/validate-catalog.js';
import { catalogFolder, removeCatalogFolders } from './catalog-folder.js';

afterEach(removeCatalogFolders);

const NOW = new Date('2026-03-10T12:00:00Z');

function run(...args: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const status = validateCatalog(
    args,
    {
      out: (line) => out.push(line),
      err: (line) => err.push(line),
    },
    NOW,
  );
  return { status, out: out.join('\n'), err: err.join('\n') };
}

describe('catalog:validate', () => {
  it('counts what the catalog of the project holds', () => {
    expect(run()).toEqual({
      status: 0,
      out: expect.stringMatching(
        /^\d+ unit primitives, \d+ add-ons, \d+ backend services, \d+ license types, \d+ services: valid\n/,
      ) as string,
      err: '',
    });
  });

  it('lists what ships closed, and what no backend accepts', () => {
    const { out } = run();
    expect(out).toContain('\nNobody can be granted 14 of the unit primitives:\n');
    expect(out).toContain(
      '\n  access_artifact_registry: no backend service accepts it; it must be paid for since ' +
        '2024-10-17, and no add-on has it\n',
    );
  });

  it.each([
    ['is free', '', null],
    ['is paid for, and sold', 'cut_off_date: 2024-10-17\nadd_ons: [duo_pro]', null],
    ['is free until a day to come', 'cut_off_date: 2026-03-11\nadd_ons: []', null],
    [
      'is paid for since today, and not sold',
      'cut_off_date: 2026-03-10T12:00:00Z\nadd_ons: []',
      'it must be paid for since 2026-03-10, and no add-on has it',
    ],
    ['has no backend', 'backend_services: []', 'no backend service accepts it'],
    [
      'needs a version that is none while it is free',
      "min_gitlab_version_for_free_access: '160.8'",
      'it needs GitLab 160.8, and there is no such version',
    ],
    ['needs one only once it is paid for', "min_gitlab_version: '1810.0'", null],
    [
      'is paid for and needs a version that is none',
      "cut_off_date: 2024-10-17\nadd_ons: [duo_pro]\nmin_gitlab_version: '1810.0'",
      'it needs GitLab 1810.0, and there is no such version',
    ],
  ])('says whether anybody can be granted a unit primitive that %s', (_what, lines, reason) => {
    const backend = lines.includes('backend') ? '' : 'backend_services: [gateway]\n';
    const text = `name: ask_epic\ndescription: Asks\n${backend}${lines}\n`;
    const { status, out } = run(catalogFolder({ 'unit_primitives/ask_epic.yml': text }));
    expect(status).toBe(0);
    const told =
      reason === null
        ? []
        : ['Nobody can be granted 1 of the unit primitives:', `  ask_epic: ${reason}`];
    expect(out.split('\n').slice(1)).toEqual(told);
  });

  it('names the license types, add-ons and backends that do not exist, as faults', () => {
    const text =
      'name: ask_epic\ndescription: Asks\nlicense_types: [gold]\nadd_ons: [duo]\nbackend_services: [cloud]\n';
    const { status, err } = run(catalogFolder({ 'unit_primitives/ask_epic.yml': text }));
    expect(status).toBe(1);
    for (const name of ['gold', 'duo', 'cloud']) {
      expect(err).toContain(`'${name}' is not defined by any file in `);
    }
  });

  it('checks another folder and passes on what was ignored', () => {
    const { status, out } = run(catalogFolder({ 'README.md': '' }));
    expect(status).toBe(0);
    expect(out).toMatch(/^warning: README\.md: .*\n1 unit primitives, .*: valid$/);
  });

  it('fails on a faulty catalog with every fault, after what was ignored', () => {
    const { status, out, err } = run(
      catalogFolder({
        'add_ons/duo_pro.yml': 'nmae: duo_pro\ncolour: red',
        'services/chat.yml': 'name: chat',
      }),
    );
    expect(status).toBe(1);
    expect(out).toBe("warning: add_ons/duo_pro.yml: field 'colour' is unknown, ignored");
    expect(err).toContain('add_ons/duo_pro.yml: name: is missing');
    expect(err).toContain("add_ons/duo_pro.yml: nmae: is unknown, and looks like 'name' misspelt");
    expect(err).toContain('services/chat.yml: unit_primitives: is missing');
  });

  it.each([['--help'], ['-h']])('explains itself with examples on %s', (flag) => {
    const { status, out } = run(flag);
    expect(status).toBe(0);
    expect(out).toContain('Examples:');
  });

  it.each([[['one', 'two']], [['--strict']]])('refuses %p as wrong usage', (args) => {
    const { status, err } = run(...args);
    expect(status).toBe(2);
    expect(err).toContain('Usage:');
  });
});

import { validateCatalog } from '../../src/cli/validate-catalog.js';
import { catalogFolder, removeCatalogFolders } from './catalog-folder.js';

afterEach(removeCatalogFolders);

function run(...args: string[]) {
  const out: string[] = [];
  const err: string[] = [];
  const status = validateCatalog(args, {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
  });
  return { status, out: out.join('\n'), err: err.join('\n') };
}

describe('catalog:validate', () => {
  it('counts what the catalog of the project holds', () => {
    expect(run()).toEqual({
      status: 0,
      out: expect.stringMatching(
        /^\d+ unit primitives, \d+ add-ons, \d+ backend services, \d+ license types, \d+ services: valid$/,
      ) as string,
      err: '',
    });
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

import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { preProcessFile } from 'typescript';

const ROOT = resolve(__dirname, '..');
/** What a room may import, from the top of the house to its ground; `domain` anybody may. */
const STOREYS = [
  ['sync', 'oidc', 'probes', 'scheduler', 'cli'],
  ['activation', 'token-revocation', 'ledger-audit', 'instance-health', 'self-issued-tokens'],
  ['token-issuance'],
  ['entitlements', 'signing-keys'],
  ['ledger'],
  ['add-on-purchases', 'auxiliary-keys', 'instances'],
  ['licenses'],
  ['catalog'],
  ['access-control'],
  ['http', 'sealing'],
  ['database'],
  ['embedded-postgres'],
  ['platform'],
];
const ROOT_FILES = 'the composition root';
const ROOMS = ['domain', ...STOREYS.flat()];
const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);

describe('the architecture', () => {
  it.each(ROOMS)('keeps %s from importing what lies above or beside it', (room) => {
    expect(
      importsOf(room)
        .filter((line) => !mayImport(room, line.target))
        .map(sentence),
    ).toEqual([]);
  });

  it('lets the domain depend on nothing, neither Node nor a package', () => {
    const outside = importsOf('domain').filter(({ target }) => target !== 'domain');
    expect(outside.map(sentence)).toEqual([]);
  });

  it('keeps the auditor of the ledger from the code that it audits', () => {
    const audited = /\/token-issuance\/|\/domain\/(?!calendar-day|uuid)/;
    const shared = files
      .filter((file) => dirname(file) === 'ledger-audit')
      .flatMap((file) => preProcessFile(textOf(file)).importedFiles)
      .map(({ fileName }) => fileName)
      .filter((fileName) => audited.test(fileName));
    expect(shared).toEqual([]);
  });

  it('has every file in a known room and no deeper, or in the composition root', () => {
    const misplaced = files.filter((file) => {
      const [room = '', ...rest] = file.split(sep);
      return rest.length > 0 && (rest.length > 1 || !ROOMS.includes(room));
    });
    expect(misplaced).toEqual([]);
  });

  it('has no barrels and no circles that only forwardRef can close', () => {
    expect(files.filter((file) => /(^|\/)index\.ts$/.test(file))).toEqual([]);
    expect(files.filter((file) => textOf(file).includes('forwardRef'))).toEqual([]);
  });
});

interface Import {
  readonly file: string;
  /** A room, the composition root, `config (types)`, another folder, or a package. */
  readonly target: string;
}

function mayImport(room: string, target: string): boolean {
  const storey = STOREYS.findIndex((rooms) => rooms.includes(room));
  const below = STOREYS.slice(storey + 1).flat();
  if (target === room || target === 'domain') return true;
  if (target === 'config (types)') return room === 'platform';
  // A command may start the whole service, as `main` does.
  if (target === 'config' || target === ROOT_FILES) return room === 'cli';
  return isPackage(target) || (room !== 'domain' && below.includes(target));
}

/** Specs stand beside the file they test, and may import what tests need. */
function importsOf(room: string): Import[] {
  const own = files.filter((file) => dirname(file) === room && !file.endsWith('.spec.ts'));
  expect(own).not.toEqual([]);
  return own.flatMap((file) =>
    preProcessFile(textOf(file)).importedFiles.map(({ fileName }) => ({
      file,
      target: targetOf(file, fileName),
    })),
  );
}

function targetOf(file: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  const path = relative(ROOT, resolve(ROOT, 'src', dirname(file), specifier));
  const [folder = '', room = '', ...rest] = path.split(sep);
  if (folder === 'src') return rest.length > 0 ? room : ROOT_FILES;
  const typesOnly = new RegExp(`^import type [^;]* from '${specifier}'`, 'm').test(textOf(file));
  return typesOnly ? `${folder} (types)` : folder;
}

function isPackage(target: string): boolean {
  const known = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    readonly dependencies: Record<string, string>;
  };
  const [scope = '', name = ''] = target.split('/');
  const root = scope.startsWith('@') ? `${scope}/${name}` : scope;
  return (
    root in known.dependencies ||
    (builtinModules.includes(target.replace(/^node:/, '')) && target.startsWith('node:'))
  );
}

function sentence({ file, target }: Import): string {
  return `src/${file} imports ${target}, which does not lie below it`;
}

function textOf(file: string): string {
  return readFileSync(join(ROOT, 'src', file), 'utf8');
}

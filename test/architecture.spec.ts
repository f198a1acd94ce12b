import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, relative, resolve, sep } from 'node:path';
import {
  type ConstructorDeclaration,
  createSourceFile,
  forEachChild,
  isConstructorDeclaration,
  type Node,
  preProcessFile,
  ScriptTarget,
} from 'typescript';

const ROOT = resolve(__dirname, '..');
/** What a room may import, from the top of the house to its ground; `domain` anybody may. */
const STOREYS = [
  ['sync', 'oidc', 'probes', 'scheduler', 'cli'],
  ['activation', 'ledger-audit', 'instance-health', 'self-issued-tokens'],
  ['token-issuance'],
  ['entitlements', 'signing-keys', 'token-revocation'],
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
/** The only files that know every room. */
const COMPOSITION_ROOT = [
  ...['main.ts', 'start-issuer.ts', 'start-attempts.ts', 'start-obstacle.ts', 'bring-up.ts'],
  ...['app.module.ts', 'data-source.ts', 'sample-license.ts'],
];
const ROOMS = ['domain', ...STOREYS.flat()];
const MAX_DEPENDENCIES = 5;
/** What the auditor of the ledger may share with the code that writes it. */
const NO_RULE_OF_THE_WRITER =
  /^(ledger-audit|auxiliary-keys|database|platform)\/|^domain\/(calendar-day|uuid)\.ts$/;
const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) =>
  file.endsWith('.ts'),
);
const neighboursByFile = new Map<string, readonly string[]>();

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

  it('lets the configuration depend on the domain, and on nothing else of ours', () => {
    const config = readdirSync(join(ROOT, 'config'))
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'))
      .map((file) => join('..', 'config', file));
    expect(config).not.toEqual([]);
    const wrong = config
      .flatMap(importsIn)
      .filter(({ target }) => !/^(config|domain)\b/.test(target) && !isPackage(target));
    expect(wrong.map(sentence)).toEqual([]);
  });

  it('keeps the auditor of the ledger from the code that it audits', () => {
    const used = files
      .filter((file) => dirname(file) === 'ledger-audit')
      .flatMap((file) => neighbours(file));
    expect(used.filter((file) => !NO_RULE_OF_THE_WRITER.test(file))).toEqual([]);
    for (const file of ['ledger/ledger-chain.ts', 'domain/resolve-scopes.ts', 'domain/uuid-v7.ts'])
      expect(file).not.toMatch(NO_RULE_OF_THE_WRITER);
  });

  it('has every file in a known room and no deeper, or in the composition root', () => {
    const misplaced = files.filter((file) => {
      const [room = '', ...rest] = file.split(sep);
      if (rest.length === 0) return !file.endsWith('.spec.ts') && !COMPOSITION_ROOT.includes(file);
      return rest.length > 1 || !ROOMS.includes(room);
    });
    expect(misplaced).toEqual([]);
  });

  it('has no barrels and no circles, not even of types', () => {
    expect(files.filter((file) => /(^|\/)index\.ts$/.test(file))).toEqual([]);
    expect(files.filter((file) => textOf(file).includes('forwardRef'))).toEqual([]);
    expect(files.flatMap(importsInACircle)).toEqual([]);
  });

  it('gives no constructor more than five dependencies', () => {
    const overloaded = files.filter((file) =>
      constructorsOf(file).some(({ parameters }) => parameters.length > MAX_DEPENDENCIES),
    );
    expect(overloaded).toEqual([]);
  });

  it('keeps the shapes of the API from repositories, which take filters of their own', () => {
    const shaped = files
      .filter((file) => file.endsWith('.repository.ts'))
      .filter((file) => neighbours(file).some((target) => target.endsWith('.dto.ts')));
    expect(shaped).toEqual([]);
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

/** The imports of `file` that lead back to it. */
function importsInACircle(file: string): string[] {
  return neighbours(file)
    .filter((target) => reachable(target).has(file))
    .map((target) => `${file} -> ${target}`);
}

function reachable(file: string, seen = new Set<string>()): ReadonlySet<string> {
  for (const target of neighbours(file)) {
    if (!seen.has(target)) reachable(target, seen.add(target));
  }
  return seen;
}

/** The files of `src` that a file imports, types or values. */
function neighbours(file: string): readonly string[] {
  const known = neighboursByFile.get(file);
  if (known) return known;
  const found = preProcessFile(textOf(file))
    .importedFiles.filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => join(dirname(file), fileName).replace(/\.js$/, '.ts'))
    .filter((target) => files.includes(target));
  neighboursByFile.set(file, found);
  return found;
}

function constructorsOf(file: string): ConstructorDeclaration[] {
  const found: ConstructorDeclaration[] = [];
  if (!textOf(file).includes('constructor(')) return found;
  const visit = (node: Node): void => {
    if (isConstructorDeclaration(node)) found.push(node);
    forEachChild(node, visit);
  };
  visit(createSourceFile(file, textOf(file), ScriptTarget.Latest));
  return found;
}

/** Specs stand beside the file they test, and may import what tests need. */
function importsOf(room: string): Import[] {
  const own = files.filter((file) => dirname(file) === room && !file.endsWith('.spec.ts'));
  expect(own).not.toEqual([]);
  return own.flatMap(importsIn);
}

function importsIn(file: string): Import[] {
  return preProcessFile(textOf(file)).importedFiles.map(({ fileName }) => ({
    file,
    target: targetOf(file, fileName),
  }));
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
  return `${join('src', file)} imports ${target}, which does not lie below it`;
}

function textOf(file: string): string {
  return readFileSync(join(ROOT, 'src', file), 'utf8');
}

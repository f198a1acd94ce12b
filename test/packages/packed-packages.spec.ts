import { execFile } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(__dirname, '..', '..');
const COMPILER = join(ROOT, 'node_modules/typescript/bin/tsc');
const run = promisify(execFile);
const folders = readdirSync(join(ROOT, 'packages')).filter((name) =>
  existsSync(join(ROOT, 'packages', name, 'src', 'index.ts')),
);

interface Packed {
  readonly name: string;
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

interface Listed {
  readonly dependencies?: Readonly<Record<string, Listed>>;
}

/** Packed as for a registry, and installed in an empty folder. */
describe('the packages, packed and installed in an empty project', () => {
  let project: string;
  const packages: Packed[] = [];

  /** A copy with a build of its own: other specs run what lies in `dist`, at the same time. */
  const built = async (folder: string): Promise<string> => {
    const source = join(ROOT, 'packages', folder);
    const copy = join(project, 'copies', folder);
    const filter = (path: string) => !path.startsWith(join(source, 'dist'));
    await cp(source, copy, { recursive: true, filter });
    const output = ['--outDir', join(copy, 'dist'), '--tsBuildInfoFile', join(copy, '.buildinfo')];
    await run(process.execPath, [COMPILER, '-p', join(source, 'tsconfig.build.json'), ...output]);
    return copy;
  };
  const pack = async (path: string): Promise<Packed> => {
    const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', project];
    const { stdout } = await run('npm', args, { cwd: path });
    const [first] = JSON.parse(stdout) as [Packed];
    return first;
  };
  const inProject = async (command: string, ...args: string[]) =>
    (await run(command, args, { cwd: project })).stdout;

  beforeAll(async () => {
    expect(folders).not.toEqual([]);
    project = await mkdtemp(join(tmpdir(), 'consumer-'));
    for (const folder of folders) packages.push(await pack(await built(folder)));
    const needed = ['jose', 'undici'].map((name) => pack(join(ROOT, 'node_modules', name)));
    await writeFile(join(project, 'package.json'), '{"name":"consumer","private":true}\n');
    // From files and offline: it fails should a package need more than these.
    const archives = [...(await Promise.all(needed)), ...packages].map(
      ({ filename }) => `./${filename}`,
    );
    const quiet = ['--offline', '--no-audit', '--no-fund', '--ignore-scripts'];
    await inProject('npm', 'install', ...quiet, ...archives);
  }, 300_000);
  afterAll(() => rm(project, { recursive: true, force: true }));

  it('bring their licence, page and types, and neither sources nor tests', () => {
    for (const { name, files } of packages) {
      const paths = files.map(({ path }) => path);
      const needed = ['LICENSE', 'README.md', 'package.json', 'dist/index.d.ts', 'dist/index.js'];
      expect([name, needed.filter((path) => !paths.includes(path))]).toEqual([name, []]);
      const unwanted = paths.filter((path) => /\.spec\.|^(src|test)\/|tsbuildinfo/.test(path));
      expect([name, unwanted]).toEqual([name, []]);
    }
  });

  it('need jose and undici, and nothing else', async () => {
    const names = packages.map(({ name }) => name);
    const { dependencies = {} } = JSON.parse(
      await inProject('npm', 'ls', '--all', '--json'),
    ) as Listed;
    expect(Object.keys(dependencies).sort()).toEqual([...names, 'jose', 'undici'].sort());
    for (const name of names) {
      expect(Object.keys(dependencies[name]?.dependencies ?? {})).toEqual(['jose', 'undici']);
    }
    expect(dependencies['jose']?.dependencies).toBeUndefined();
    expect(dependencies['undici']?.dependencies).toBeUndefined();
    expect(await inProject('npm', 'ls', '--all')).not.toContain('UNMET');
  });

  it('give the same names to ES modules as to CommonJS', async () => {
    const print = 'console.log(JSON.stringify(Object.keys(all).sort()))';
    // Node adds names for the module itself. They are not exports of the package.
    const known = (names: string) =>
      (JSON.parse(names) as string[]).filter((name) => !/^(default|module\.exports|__)/.test(name));
    for (const { name } of packages) {
      const esm = `import * as all from '${name}'; ${print}`;
      const cjs = `const all = require('${name}'); ${print}`;
      const imported = known(await inProject(process.execPath, '--input-type=module', '-e', esm));
      const required = known(await inProject(process.execPath, '-e', cjs));
      expect(imported.length).toBeGreaterThan(0);
      expect(imported).toEqual(required);
    }
  });

  it('type-check in ES modules and in CommonJS', async () => {
    const files: string[] = [];
    const write = async (file: string, lines: string[]) => {
      await writeFile(join(project, file), `${lines.join('\n')}\n`);
      files.push(file);
    };
    const use = 'export const names: string[] = Object.keys(all);';
    for (const { name } of packages) {
      await write(`${name}.mts`, [`import * as all from '${name}';`, use]);
      await write(`${name}.cts`, [`import all = require('${name}');`, use]);
      // The only error must be the missing name. Otherwise the types were not found at all.
      await write(`${name}-absent.mts`, [`export { absent } from '${name}';`]);
    }
    // The strictest settings in use, without the types of Node, because nothing else is installed.
    const strict = { module: 'node16', target: 'es2022', strict: true, noEmit: true };
    const compilerOptions = { ...strict, lib: ['es2022', 'dom'], types: [] };
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
    const failed = await inProject(process.execPath, COMPILER, '-p', '.').then(
      () => '',
      (error: unknown) => (error as { readonly stdout: string }).stdout,
    );
    const errors = failed.split('\n').filter((line) => line.includes('error TS'));
    expect(errors).toHaveLength(packages.length);
    for (const { name } of packages) {
      const absent = new RegExp(`^${name}-absent.mts.* has no exported member 'absent'`);
      expect(errors).toContainEqual(expect.stringMatching(absent));
    }
  }, 120_000);

  it('have each bin that they name', async () => {
    for (const { name } of packages) {
      const folder = join(project, 'node_modules', name);
      const { bin = {} } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
        readonly bin?: Readonly<Record<string, string>>;
      };
      for (const path of Object.values(bin)) expect(existsSync(join(folder, path))).toBe(true);
    }
  });
});

import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join, resolve } from 'node:path';
import { preProcessFile } from 'typescript';

const PACKAGES = resolve(__dirname, '..', '..', 'packages');
/** A subpath for projects that have Nest. Nothing else in the package imports it. */
const OPTIONAL = new Map([['cloud-connector-verifier/src/nest.ts', '@nestjs/common']]);

const files = readdirSync(PACKAGES, { recursive: true, encoding: 'utf8' }).filter(
  (file) => /^[^/]+\/src\/.+\.ts$/.test(file) && !file.endsWith('.spec.ts'),
);
const textOf = (file: string) => readFileSync(join(PACKAGES, file), 'utf8');
const importsOf = (file: string) =>
  preProcessFile(textOf(file)).importedFiles.map(({ fileName }) => fileName);

describe('the packages', () => {
  it('import Node, jose, undici and themselves, and nothing else', () => {
    expect(files.length).toBeGreaterThan(20);
    const foreign = files.flatMap((file) =>
      importsOf(file)
        .filter((target) => !mayImport(file, target))
        .map((target) => `packages/${file} imports ${target}`),
    );
    expect(foreign).toEqual([]);
  });

  it('depend on jose and undici alone', () => {
    for (const folder of readdirSync(PACKAGES)) {
      const { dependencies, ...others } = JSON.parse(textOf(`${folder}/package.json`)) as {
        readonly dependencies: object;
      };
      expect([folder, Object.keys(dependencies)]).toEqual([folder, ['jose', 'undici']]);
      expect(Object.keys(others).filter((member) => /dependencies/i.test(member))).toEqual([]);
    }
  });

  it('use the same copy of the file that chooses a proxy', () => {
    const copies = readdirSync(PACKAGES).map((name) => textOf(`${name}/src/environment-proxy.ts`));
    expect(new Set(copies).size).toBe(1);
  });

  it('trim what people paste as the issuer does', () => {
    const issuers = readFileSync(resolve(PACKAGES, '../src/domain/pasted-text.ts'), 'utf8');
    const codeOf = (text: string) => text.slice(text.indexOf('const BLANK'));
    expect(codeOf(textOf('cloud-connector-instance/src/pasted-text.ts'))).toBe(codeOf(issuers));
  });

  it('have one barrel, which imports no subpath with an optional dependency', () => {
    const barrels = files.filter((file) => file.endsWith('/index.ts'));
    expect(barrels.filter((file) => !/^[^/]+\/src\/index\.ts$/.test(file))).toEqual([]);
    for (const file of OPTIONAL.keys()) {
      const name = file.replace(/^.*\//, './').replace(/\.ts$/, '.js');
      expect(files.filter((other) => importsOf(other).includes(name))).toEqual([]);
    }
  });
});

function mayImport(file: string, target: string): boolean {
  const path = resolve(PACKAGES, file, '..', target);
  const own = join(PACKAGES, file.replace(/\/src\/.*$/, '/src/'));
  if (target.startsWith('.')) return path.startsWith(own);
  if (target.startsWith('node:')) return builtinModules.includes(target.slice(5));
  return ['jose', 'undici'].includes(target) || OPTIONAL.get(file) === target;
}

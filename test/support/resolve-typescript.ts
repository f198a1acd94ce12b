import Module from 'node:module';

type Resolve = (
  request: string,
  parent: { filename?: string } | undefined,
  ...rest: unknown[]
) => string;

/**
 * Jest applies `moduleNameMapper` to tests, not to what runs before them: there Node itself resolves
 * an import of `./x.js`, and only `./x.ts` exists. `module.registerHooks` would do, from Node 22.15 on.
 */
export function resolveTypeScript(): void {
  const loader = Module as unknown as { _resolveFilename: Resolve };
  const resolve = loader._resolveFilename;
  loader._resolveFilename = function (this: unknown, request, parent, ...rest) {
    const fromTypeScript = /^\.{1,2}\/.*\.js$/.test(request) && parent?.filename?.endsWith('.ts');
    return resolve.call(this, fromTypeScript ? request.slice(0, -3) : request, parent, ...rest);
  };
}

import { spawnSync } from 'node:child_process';

/** Debian's own Python, which finds the modules of Debian's packages. */
export const PYTHON = '/usr/bin/python3';

/** The path of a program, also of one in `sbin`; null where its package is not installed. */
export function programPath(name: string): string | null {
  const find = `PATH=$PATH:/usr/sbin:/usr/lib/postgresql/15/bin command -v ${name}`;
  return spawnSync('sh', ['-c', find]).stdout.toString().trim() || null;
}

/** @returns why a test can't use the program; null when it can */
export function missingProgram(name: string, debianPackage: string): string | null {
  return programPath(name) === null ? `no ${name} here (Debian package ${debianPackage})` : null;
}

/** @returns why a test can't use the module of Python; null when it can */
export function missingModule(name: string, debianPackage: string): string | null {
  const found = spawnSync(PYTHON, ['-c', `import ${name}`]).status === 0;
  return found ? null : `no ${name} in ${PYTHON} here (Debian package ${debianPackage})`;
}

/**
 * `describe`, where nothing is missing. Otherwise prints the reason and skips the block; in CI,
 * which installs everything (`.ci/run`), a test fails with the reason.
 */
export function describeUnless(missing: string | null): jest.Describe {
  if (missing === null) return describe;
  process.stderr.write(`skipped: ${missing}\n`);
  if (process.env.CI === 'true') {
    it('finds in CI what it needs', () => {
      throw new Error(missing);
    });
  }
  return describe.skip;
}

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The folder of the project. Compiled files lie one folder deeper than sources, so it is searched. */
export function projectRoot(from = __dirname): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error('no package.json above the code of the service');
  return projectRoot(parent);
}

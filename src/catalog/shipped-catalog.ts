import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The catalog that comes with the project; its `schemas` folder is what every catalog is held to. */
export function shippedCatalogDirectory(): string {
  return join(projectRoot(__dirname), 'config', 'catalog');
}

// The compiled files lie one folder deeper than the sources, so the distance is not fixed.
function projectRoot(from: string): string {
  if (existsSync(join(from, 'package.json'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error('no package.json above the catalog code');
  return projectRoot(parent);
}

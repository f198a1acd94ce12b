import { join } from 'node:path';
import { projectRoot } from '../platform/project-root.js';

/** The catalog that comes with the project; its `schemas` folder is what every catalog is held to. */
export function shippedCatalogDirectory(): string {
  return join(projectRoot(), 'config', 'catalog');
}

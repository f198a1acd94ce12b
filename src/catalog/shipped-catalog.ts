import { join } from 'node:path';
import { projectRoot } from '../platform/project-root.js';

/** The catalog that comes with the project. Its schemas check every catalog. */
export function shippedCatalogDirectory(): string {
  return join(projectRoot(), 'config', 'catalog');
}

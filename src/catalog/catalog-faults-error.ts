import type { CatalogFault } from '../domain/catalog-items.js';

/** Every fault of a catalog. Its message is for the operator who wrote the catalog. */
export class CatalogFaultsError extends Error {
  override readonly name = 'CatalogFaultsError';

  constructor(
    directory: string,
    readonly faults: readonly CatalogFault[],
    /** What was ignored: a misspelt field may be the cause of a fault. */
    readonly warnings: readonly string[] = [],
  ) {
    super(
      [
        `The catalog in ${directory} can't be used:`,
        ...faults.map(({ file, field, reason }) => `${file}: ${field}: ${reason}`),
        'Correct these files, or set CATALOG_DIR to another catalog; `npm run catalog:validate -- <dir>` checks one without starting the service.',
      ].join('\n'),
    );
  }
}

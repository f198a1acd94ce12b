import { Inject, Injectable } from '@nestjs/common';
import { Gauge } from 'prom-client';
import { CatalogStore } from '../catalog/catalog.service.js';
import { Database } from '../database/database.js';
import { dayOf } from '../domain/calendar-day.js';
import { Clock } from '../platform/clock.js';
import { LOGGER, type Logger } from '../platform/logging.js';
import { Metrics } from '../platform/metrics.js';
import { findMissingNames, type MissingName } from './find-missing-names.js';

export const FIND_MISSING_NAMES_EVERY_MS = 300_000;

/**
 * Add-ons and plans that purchases, licenses and namespaces use, and that are not in the catalog (any more).
 * Such a purchase grants nothing, and such a plan no unit primitive that lists plans.
 */
@Injectable()
export class MissingNames {
  private readonly gauge: Gauge<'records' | 'name'>;
  private found: readonly MissingName[] | null = null;

  constructor(
    { registry }: Metrics,
    private readonly database: Database,
    private readonly catalog: CatalogStore,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    this.gauge = new Gauge({
      name: 'issuer_records_missing_from_catalog',
      help: 'Purchases, licenses and namespaces whose add-on or plan is not in the catalog, by its name.',
      labelNames: ['records', 'name'],
      registers: [registry],
    });
  }

  /** As of the last look; null before the first one. */
  current(): readonly MissingName[] | null {
    return this.found;
  }

  async refresh(): Promise<void> {
    const today = dayOf(this.clock.now());
    const { catalog } = this.catalog.current();
    const missing = await findMissingNames(this.database.manager, catalog, today);
    this.gauge.reset();
    for (const { records, name, count } of missing) this.gauge.set({ records, name }, count);
    if (JSON.stringify(missing) !== JSON.stringify(this.found ?? [])) this.report(missing);
    this.found = missing;
  }

  private report(missing: readonly MissingName[]): void {
    if (missing.length === 0) {
      this.logger.info('every add-on and plan that records use is in the catalog again');
      return;
    }
    this.logger.warn(
      { missing },
      'records use add-ons or plans that are not in the catalog, and grant nothing by them: ' +
        'bring back the files of these names, or change the records',
    );
  }
}

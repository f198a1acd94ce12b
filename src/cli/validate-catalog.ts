import '../platform/take-signals.js';
import { CatalogFaultsError } from '../catalog/catalog-faults-error.js';
import { loadCatalog } from '../catalog/load-catalog.js';
import { shippedCatalogDirectory } from '../catalog/shipped-catalog.js';
import type { Catalog } from '../domain/catalog.js';
import { outOfReach } from '../domain/out-of-reach.js';
import { Clock } from '../platform/clock.js';
import { type Output, readArguments, runCommand } from './command-line.js';

const USAGE = `Usage: npm run catalog:validate -- [<dir>]

Checks a catalog as a start of the service would, without starting it: every file against its
schema, every reference, date and version. <dir> defaults to config/catalog; it may be the config
folder of a gitlab-cloud-connector checkout.

It also lists the unit primitives that nobody can be granted, and why. That is no fault: a feature
whose terms are not known yet is kept closed that way.

Examples:
  npm run catalog:validate
  npm run catalog:validate -- /etc/cloud-connector/catalog
  npm run catalog:validate -- ~/src/gitlab-cloud-connector/config

Exit status: 0 valid, 1 faults found, 2 wrong usage.`;

/** @returns the exit status: 0 valid, 1 faults, 2 wrong usage */
export function validateCatalog(
  args: readonly string[],
  { out, err }: Output,
  now = new Clock().now(),
): 0 | 1 | 2 {
  const usage = parseUsage(args);
  if (usage === 'help') {
    out(USAGE);
    return 0;
  }
  if ('wrong' in usage) {
    err(`${usage.wrong}\n\n${USAGE}`);
    return 2;
  }
  const warn = (warnings: readonly string[]): void => {
    for (const warning of warnings) out(`warning: ${warning}`);
  };
  try {
    const { catalog, warnings } = loadCatalog(usage.directory);
    warn(warnings);
    out(`${counts(catalog)}: valid`);
    tellOutOfReach(catalog, now, out);
    return 0;
  } catch (error) {
    if (!(error instanceof CatalogFaultsError)) throw error;
    warn(error.warnings);
    err(error.message);
    return 1;
  }
}

function tellOutOfReach(catalog: Catalog, now: Date, out: Output['out']): void {
  const found = outOfReach(catalog, now);
  if (found.length > 0) out(`Nobody can be granted ${found.length} of the unit primitives:`);
  for (const { name, reasons } of found) out(`  ${name}: ${reasons.join('; ')}`);
}

function parseUsage(args: readonly string[]): 'help' | { wrong: string } | { directory: string } {
  try {
    const { values, positionals } = readArguments(args, { help: { type: 'boolean', short: 'h' } });
    if (values.help) return 'help';
    if (positionals.length > 1) return { wrong: 'Give one folder at most.' };
    return { directory: positionals[0] ?? shippedCatalogDirectory() };
  } catch (error) {
    return { wrong: error instanceof Error ? error.message : 'Wrong arguments.' };
  }
}

function counts(catalog: Catalog): string {
  return [
    `${catalog.unitPrimitives.length} unit primitives`,
    `${catalog.addOns.length} add-ons`,
    `${catalog.backendServices.length} backend services`,
    `${catalog.licenseTypes.length} license types`,
    `${catalog.services.length} services`,
  ].join(', ');
}

if (require.main === module) runCommand(validateCatalog);

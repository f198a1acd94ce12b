import { join } from 'node:path';
import type { INestApplicationContext } from '@nestjs/common';
import { AddOnPurchaseRepository } from './add-on-purchases/add-on-purchase.repository.js';
import { AddOnPurchasesService } from './add-on-purchases/add-on-purchases.service.js';
import { Database } from './database/database.js';
import { dayOf, startOfDay } from './domain/calendar-day.js';
import { generateLicenseKey } from './licenses/license-key.js';
import { LicensesService } from './licenses/licenses.service.js';
import { Clock } from './platform/clock.js';
import { generatedSecret } from './platform/generated-secret.js';
import type { ServiceConfig } from './platform/service-config.js';

const SAMPLE = 'sample';
const ADD_ONS = ['duo_pro', 'duo_enterprise'];
const DAYS = 365;
const ALL_LICENSES = { plan: null, kind: null, customerRef: null, revoked: null } as const;

/** Where the key of the sample license lies. */
export function sampleLicenseKeyPath(config: ServiceConfig): string {
  return join(config.dataDir, 'sample-license-key');
}

/**
 * Gives an empty embedded database one license to try things with. A start that was killed half-way
 * is finished by the next one; a database that holds any other license is left alone.
 * @returns whether the sample is the only license
 */
export async function seedSampleLicense(
  app: INestApplicationContext,
  config: ServiceConfig,
): Promise<boolean> {
  const licenses = app.get(LicensesService);
  const purchases = app.get(AddOnPurchasesService);
  const { manager } = app.get(Database);
  const { items } = await licenses.list(ALL_LICENSES, { after: null, perPage: 2 });
  if (items.length > 1 || items.some(({ customerRef }) => customerRef !== SAMPLE)) return false;

  const now = app.get(Clock).now();
  const days = { from: dayOf(now), to: dayOf(startOfDay(dayOf(now), DAYS)) };
  const license = items[0] ?? (await createSample(licenses, config, days));
  const bought = await app.get(AddOnPurchaseRepository).ofLicense(manager, license.id);
  const addOns = bought.map(({ addOn }) => addOn);
  for (const addOn of ADD_ONS.filter((name) => !addOns.includes(name))) {
    const term = { started_at: days.from, expires_on: days.to };
    await purchases.create(license.id, {
      add_on: addOn,
      quantity: 10,
      ...term,
      purchase_xid: SAMPLE,
    });
  }
  return true;
}

async function createSample(
  licenses: LicensesService,
  config: ServiceConfig,
  days: { readonly from: string; readonly to: string },
): Promise<{ readonly id: string }> {
  // The file comes first: a license whose key nobody has would be of no use.
  const key = await generatedSecret(sampleLicenseKeyPath(config), generateLicenseKey);
  const { license } = await licenses.create({
    license_key: key,
    plan: 'ultimate',
    kind: 'online_cloud',
    seats: 10,
    starts_on: days.from,
    expires_on: days.to,
    licensee: { name: 'Sample license', company: 'Sample' },
    customer_ref: SAMPLE,
  });
  return license;
}

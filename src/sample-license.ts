import { join, relative } from 'node:path';
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
const ALL_LICENSES = {
  plan: null,
  kind: null,
  customerRef: null,
  renewsLicenseId: null,
  revoked: null,
} as const;

const QUERY =
  'query($licenseKey: String!, $gitlabVersion: String!) { cloudConnectorAccess(' +
  'licenseKey: $licenseKey, gitlabVersion: $gitlabVersion) { serviceToken { token expiresAt } } }';
/** Any UUID will do: it becomes the token's `sub`. */
const INSTANCE_ID = '5d6a9f0e-8c1b-4f6e-9d2a-3b7c8e1f0a42';

/** Prints how to get a first token. It goes to stderr, because stdout has JSON lines only. */
export function printSampleRequest(config: ServiceConfig): void {
  const keyFile = shellQuoted(relative(process.cwd(), sampleLicenseKeyPath(config)));
  const scheme = config.tls ? 'https' : 'http';
  const url = `${scheme}://${config.host}:${config.port}/graphql`;
  process.stderr.write(`
A sample license is registered. Sync a token with it, as a GitLab instance does:

  curl -s ${url} \\
    -H 'Content-Type: application/json' -H 'X-Gitlab-Instance-Id: ${INSTANCE_ID}' \\
    -d '{"query":"${QUERY}","variables":{"gitlabVersion":"18.5.0","licenseKey":"'"$(cat ${keyFile})"'"}}'

`);
}

function shellQuoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

function sampleLicenseKeyPath(config: ServiceConfig): string {
  return join(config.dataDir, 'sample-license-key');
}

/**
 * Creates a sample license in an empty embedded database. If a start was killed half-way, the next one
 * completes it. A database with any other license is left alone.
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
  // The file comes first: without its key the license would be useless.
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

import { dayOf } from '../domain/calendar-day.js';
import { graceEndsAt, type License, type LicenseDenial } from '../domain/license.js';
import { IssuerError } from '../platform/issuer-error.js';

const MESSAGES: Readonly<Record<LicenseDenial, (license: License) => string>> = {
  LICENSE_NOT_CLOUD: () =>
    'This is a legacy license, which has no cloud services: ask for a cloud license and add it.',
  LICENSE_REVOKED: () => 'This license was revoked: ask your vendor for a new one.',
  LICENSE_NOT_STARTED: ({ startsOn }) =>
    `This license starts on ${startsOn} (UTC): sync again from then on.`,
  LICENSE_EXPIRED: (license) =>
    `This license expired on ${license.expiresOn} and its grace ended on ` +
    `${dayOf(graceEndsAt(license))} (UTC): renew it and add the new license.`,
};

/** The error that tells an instance why its license is denied. */
export function deniedLicense(denial: LicenseDenial, license: License): IssuerError {
  return new IssuerError(denial, MESSAGES[denial](license));
}

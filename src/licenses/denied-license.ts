import { dayOf } from '../domain/calendar-day.js';
import { graceEndsAt, type License, type LicenseDenial } from '../domain/license.js';
import { IssuerError } from '../platform/issuer-error.js';

type Message = (license: License, renewal: License | null) => string;

const MESSAGES: Readonly<Record<LicenseDenial, Message>> = {
  LICENSE_NOT_CLOUD: (_license, renewal) =>
    'This is a legacy license, which has no cloud services: ' +
    (renewal === null ? 'ask for a cloud license and add it.' : useRenewal(renewal)),
  LICENSE_REVOKED: () => 'This license was revoked: ask your vendor for a new one.',
  LICENSE_NOT_STARTED: ({ startsOn }) =>
    `This license starts on ${startsOn} (UTC): sync again from then on.`,
  LICENSE_EXPIRED: (license, renewal) =>
    `This license expired on ${license.expiresOn} and its grace ended on ` +
    `${dayOf(graceEndsAt(license))} (UTC): ` +
    (renewal === null ? 'renew it and add the new license.' : useRenewal(renewal)),
};

/** Denials whose message changes when another license renews the denied one. */
const NAMES_RENEWAL: ReadonlySet<LicenseDenial> = new Set<LicenseDenial>([
  'LICENSE_NOT_CLOUD',
  'LICENSE_EXPIRED',
]);

export function namesRenewal(denial: LicenseDenial): boolean {
  return NAMES_RENEWAL.has(denial);
}

/**
 * The error that tells an instance why its license is denied.
 * @param renewal the license that the instance should use instead; null: none is known
 */
export function deniedLicense(
  denial: LicenseDenial,
  license: License,
  renewal: License | null,
): IssuerError {
  return new IssuerError(denial, MESSAGES[denial](license, renewal), { licenseId: license.id });
}

function useRenewal({ startsOn }: License): string {
  return (
    `a newer license renews it from ${startsOn} (UTC) on. Sync the subscription details of the ` +
    'instance, or add that license to it by its key or an activation code.'
  );
}

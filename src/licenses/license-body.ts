import { Injectable } from '@nestjs/common';
import { CatalogStore } from '../catalog/catalog.service.js';
import { requireKnownPlan } from '../catalog/known-names.js';
import { BodyValidation, faultsOf } from '../http/validation.js';
import type { CreateLicenseBody, ReplaceLicenseKeyBody } from './license.dto.js';
import { registrableKey } from './license-key.js';

/** The body of a new or a changed license: members are compared with each other and with the catalog. */
@Injectable()
export class LicenseBodyValidation extends BodyValidation<CreateLicenseBody> {
  constructor(catalog: CatalogStore) {
    super(({ plan, license_key, starts_on, expires_on }) => [
      ...(plan === undefined
        ? []
        : faultsOf(() => {
            requireKnownPlan(plan, catalog.current().catalog);
          })),
      ...keyFaults({ license_key }),
      ...(starts_on === undefined || expires_on === undefined || expires_on > starts_on
        ? []
        : [{ pointer: '#/expires_on', detail: 'must be after starts_on' }]),
    ]);
  }
}

/** The optional body of a replacement of a license key. */
export const replaceKeyBodyValidation = new BodyValidation<ReplaceLicenseKeyBody>(keyFaults, {});

function keyFaults({ license_key: key }: { readonly license_key?: string | undefined }) {
  return key === undefined ? [] : faultsOf(() => registrableKey(key));
}

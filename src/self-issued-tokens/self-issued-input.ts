import { Injectable } from '@nestjs/common';
import { CatalogStore } from '../catalog/catalog.service.js';
import { BodyValidation, faultsOf, QueryValidation } from '../http/validation.js';
import { platformHolderFaults } from '../token-revocation/platform-holder.dto.js';
import { type AllowedToUseQuery, requireSubject } from './allowed-to-use.dto.js';
import { requireKnownUnitPrimitives } from './issue-self-issued-token.js';
import { extraClaimsOf, type IssueSelfIssuedTokenBody } from './self-issued-token.dto.js';

/** The body of a request for a token: members are compared with each other and with the catalog. */
@Injectable()
export class SelfIssuedTokenBodyValidation extends BodyValidation<IssueSelfIssuedTokenBody> {
  constructor(catalog: CatalogStore) {
    super((body, wrong) => [
      ...platformHolderFaults(body, wrong),
      ...faultsOf(() => {
        requireKnownUnitPrimitives(body.unit_primitives ?? [], catalog.current().catalog);
      }),
      ...faultsOf(() => extraClaimsOf(body.extra_claims ?? {})),
    ]);
  }
}

/** The query of `allowed_to_use`. */
export const allowedToUseValidation = new QueryValidation<AllowedToUseQuery>((query, wrong) =>
  wrong.has('user') || wrong.has('namespace')
    ? []
    : faultsOf(() => {
        requireSubject(query);
      }),
);

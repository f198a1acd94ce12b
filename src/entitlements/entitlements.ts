import { Inject, Injectable } from '@nestjs/common';
import { CatalogStore } from '../catalog/catalog.service.js';
import type { AddOnPurchase } from '../domain/add-on-purchase.js';
import type { GitlabVersion } from '../domain/gitlab-version.js';
import type { License } from '../domain/license.js';
import { resolveScopes } from '../domain/resolve-scopes.js';
import type { Resolution } from '../domain/scope-decision.js';
import { SERVICE_CONFIG, type ServiceConfig } from '../platform/service-config.js';

/** `resolveScopes` with the current catalog and the operator's rules. */
@Injectable()
export class Entitlements {
  constructor(
    private readonly catalog: CatalogStore,
    @Inject(SERVICE_CONFIG) private readonly config: ServiceConfig,
  ) {}

  resolve(
    license: License,
    purchases: readonly AddOnPurchase[],
    version: GitlabVersion | null,
    now: Date,
  ): Resolution {
    const { catalog } = this.catalog.current();
    return resolveScopes(license, purchases, catalog, version, now, this.config);
  }
}

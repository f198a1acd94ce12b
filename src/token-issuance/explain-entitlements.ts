import { Injectable } from '@nestjs/common';
import { AddOnPurchaseRepository } from '../add-on-purchases/add-on-purchase.repository.js';
import { type GitlabVersion, parseGitlabVersion } from '../domain/gitlab-version.js';
import { denialOf, type LicenseDenial } from '../domain/license.js';
import type { Resolution } from '../domain/scope-decision.js';
import { parseUtcInstant } from '../domain/utc-instant.js';
import { LicenseRepository } from '../licenses/license.repository.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../platform/database.js';
import { Entitlements } from './entitlements.js';
import type { EntitlementsQuery } from './entitlements.dto.js';

export interface Explanation {
  readonly licenseId: string;
  readonly at: Date;
  /** As asked for; null when every version gate was to pass. */
  readonly gitlabVersion: string | null;
  /** Why the license as a whole gets no token at that instant. */
  readonly denial: LicenseDenial | null;
  /** The decisions are those of the rules; with a denial the scopes are empty all the same. */
  readonly resolution: Resolution;
}

/** Answers "why is this scope missing" for any version of GitLab and any instant. */
@Injectable()
export class ExplainEntitlements {
  constructor(
    private readonly database: Database,
    private readonly licenses: LicenseRepository,
    private readonly purchases: AddOnPurchaseRepository,
    private readonly entitlements: Entitlements,
    private readonly clock: Clock,
  ) {}

  /** @throws {IssuerError} NOT_FOUND */
  async ofLicense(licenseId: string, query: EntitlementsQuery): Promise<Explanation> {
    const at = parseUtcInstant(query.at ?? '') ?? this.clock.now();
    const license = await this.licenses.get(this.database.manager, licenseId);
    const purchases = await this.purchases.ofLicense(this.database.manager, licenseId);
    const version = versionOf(query);
    const resolution = this.entitlements.resolve(license, purchases, version, at);
    const denial = denialOf(license, at);
    const nothing = { scopes: [], audiences: [] };
    return {
      licenseId,
      at,
      gitlabVersion: version?.text ?? null,
      denial,
      resolution: denial === null ? resolution : { ...resolution, ...nothing },
    };
  }
}

function versionOf(query: EntitlementsQuery): GitlabVersion | null {
  return query.gitlab_version === undefined ? null : parseGitlabVersion(query.gitlab_version);
}

import { Injectable } from '@nestjs/common';
import { AddOnPurchaseRepository } from '../add-on-purchases/add-on-purchase.repository.js';
import type { GitlabVersion } from '../domain/gitlab-version.js';
import { denialOf, type LicenseDenial } from '../domain/license.js';
import type { Resolution } from '../domain/scope-decision.js';
import { LicenseRepository } from '../licenses/license.repository.js';
import { Clock } from '../platform/clock.js';
import { Database } from '../database/database.js';
import { Entitlements } from './entitlements.js';

export interface EntitlementsQuestion {
  /** Null: every version gate is to pass. */
  readonly gitlabVersion: GitlabVersion | null;
  /** Null: now. */
  readonly at: Date | null;
}

export interface Explanation {
  readonly licenseId: string;
  readonly at: Date;
  /** As asked for, as far as it is safe to repeat; null when every version gate was to pass. */
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
  async ofLicense(licenseId: string, question: EntitlementsQuestion): Promise<Explanation> {
    const at = question.at ?? this.clock.now();
    const version = question.gitlabVersion;
    const license = await this.licenses.get(this.database.manager, licenseId);
    const purchases = await this.purchases.ofLicense(this.database.manager, licenseId);
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

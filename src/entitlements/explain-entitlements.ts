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
  /** Null: every version gate passes. */
  readonly gitlabVersion: GitlabVersion | null;
  /** Null: now. */
  readonly at: Date | null;
}

export interface Explanation {
  readonly licenseId: string;
  readonly at: Date;
  /** The version of the question, cleaned; null when every version gate passes. */
  readonly gitlabVersion: string | null;
  /** The reason why the license gets no token at all at that instant. */
  readonly denial: LicenseDenial | null;
  /** With a denial, the decisions stay and the scopes are empty. */
  readonly resolution: Resolution;
}

/** Answers the question "why is this scope missing?" for any GitLab version and any instant. */
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

import type { GitlabVersion } from './gitlab-version.js';

/** The smallest feature that a permission can govern; its name is the scope in a token. */
export interface UnitPrimitive {
  readonly name: string;
  readonly description: string;
  readonly group: string | null;
  readonly featureCategory: string | null;
  readonly documentationUrl: string | null;
  readonly milestone: string | null;
  readonly introducedByUrl: string | null;
  readonly unitPrimitiveIssueUrl: string | null;
  readonly deprecatedByUrl: string | null;
  readonly deprecationMessage: string | null;
  /** Free until this instant; null means free for good. */
  readonly cutOffDate: Date | null;
  /** Applies once the unit primitive is paid for. */
  readonly minGitlabVersion: GitlabVersion | null;
  readonly minGitlabVersionForFreeAccess: GitlabVersion | null;
  /** Plans that may have it; empty means every plan. */
  readonly licenseTypes: readonly string[];
  readonly backendServices: readonly string[];
  /** The `jwt_aud` of each of `backendServices`, sorted. Empty means that it can't be granted. */
  readonly audiences: readonly string[];
  /** Any of these, actively purchased, grants it after the cut-off. */
  readonly addOns: readonly string[];
}

/** A validator of tokens, addressed by its audience. */
export interface BackendService {
  readonly name: string;
  readonly description: string | null;
  readonly group: string | null;
  readonly jwtAud: string;
  readonly projectUrl: string | null;
}

export interface AddOn {
  readonly name: string;
  readonly description: string | null;
}

/** The plan of a license. */
export interface LicenseType {
  readonly name: string;
  readonly description: string | null;
}

export type GitlabRealm = 'gitlab-com' | 'self-managed';

/** The grouping of unit primitives that GitLab 16.8 to 18.5 know as an "available service". */
export interface CatalogService {
  readonly name: string;
  readonly description: string | null;
  /** The unit primitive whose cut-off is the service's; always one of `unitPrimitives`. */
  readonly basicUnitPrimitive: string;
  readonly gitlabRealms: readonly GitlabRealm[];
  readonly unitPrimitives: readonly string[];
}

/** What is on sale and what it unlocks. Every list is sorted by name, every reference resolves. */
export interface Catalog {
  readonly unitPrimitives: readonly UnitPrimitive[];
  readonly backendServices: readonly BackendService[];
  readonly addOns: readonly AddOn[];
  readonly licenseTypes: readonly LicenseType[];
  readonly services: readonly CatalogService[];
}

/** GitLab Rails keeps the historical name of Duo Pro; outward we say `duo_pro` only. */
export function canonicalAddOnName(name: string): string {
  return name === 'code_suggestions' ? 'duo_pro' : name;
}

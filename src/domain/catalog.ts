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
  /** Free until this instant; null means that it stays free. */
  readonly cutOffDate: Date | null;
  /** Applies once the unit primitive is paid for. */
  readonly minGitlabVersion: GitlabVersion | null;
  readonly minGitlabVersionForFreeAccess: GitlabVersion | null;
  /** The plans that may have it; empty means every plan. */
  readonly licenseTypes: readonly string[];
  readonly backendServices: readonly string[];
  /** The `jwt_aud` of each of `backendServices`, sorted. When it is empty, nobody can get it. */
  readonly audiences: readonly string[];
  /** After the cut-off, an active purchase of any of these grants it. */
  readonly addOns: readonly string[];
  /** Older names, by which clients also find it; absent without any. They are not scopes. */
  readonly aliasNames?: readonly string[];
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

/** A group of unit primitives, which GitLab 16.8 to 18.5 call an "available service". */
export interface CatalogService {
  readonly name: string;
  readonly description: string | null;
  /** One of `unitPrimitives`. Its cut-off date is the service's. */
  readonly basicUnitPrimitive: string;
  readonly gitlabRealms: readonly GitlabRealm[];
  readonly unitPrimitives: readonly string[];
}

/** What is sold and what it unlocks. Every list is sorted by name, and every reference resolves. */
export interface Catalog {
  readonly unitPrimitives: readonly UnitPrimitive[];
  readonly backendServices: readonly BackendService[];
  readonly addOns: readonly AddOn[];
  readonly licenseTypes: readonly LicenseType[];
  readonly services: readonly CatalogService[];
}

/** GitLab Rails still uses the historical name of Duo Pro. We publish `duo_pro` only. */
export function canonicalAddOnName(name: string): string {
  return name === 'code_suggestions' ? 'duo_pro' : name;
}

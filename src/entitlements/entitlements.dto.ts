import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { recordedVersion } from '../domain/gitlab-version.js';
import type { LicenseDenial } from '../domain/license.js';
import type { CommonDecision, Decision } from '../domain/scope-decision.js';
import { parseUtcInstant } from '../domain/utc-instant.js';
import { IsGitlabVersion, IsInstant, MayBeAbsent } from '../http/validators.js';
import type { EntitlementsQuestion, Explanation } from './explain-entitlements.js';

/** A missing reason is a compile error below. */
const REASONS = [
  'FREE',
  'ADD_ON_PURCHASED',
  'NO_AUDIENCE',
  'PLAN_NOT_ELIGIBLE',
  'GITLAB_VERSION_TOO_OLD',
  'PURCHASE_NOT_STARTED',
  'PURCHASE_EXPIRED',
  'NO_ACTIVE_PURCHASE',
] as const satisfies readonly Decision['reason'][];

export class EntitlementsQuery {
  @ApiPropertyOptional({ example: '18.5.0', description: 'Absent: every version gate passes' })
  @MayBeAbsent()
  @IsGitlabVersion()
  gitlab_version?: string;

  @ApiPropertyOptional({ format: 'date-time', description: 'Absent: now' })
  @MayBeAbsent()
  @IsInstant()
  at?: string;
}

export class DecisionView {
  @ApiProperty() unit_primitive!: string;
  @ApiProperty() granted!: boolean;
  @ApiProperty({ enum: REASONS, example: 'NO_ACTIVE_PURCHASE' })
  reason!: (typeof REASONS)[number];
  @ApiPropertyOptional({ format: 'uuid' }) add_on_purchase_id?: string;
  @ApiPropertyOptional({ type: String, nullable: true, description: 'It is granted until then' })
  until?: string | null;
  @ApiPropertyOptional({ format: 'date', description: 'The first day of the coming purchase' })
  starts_on?: string;
  @ApiPropertyOptional({ format: 'date', description: 'When the last purchase ended' })
  expired_on?: string;
  @ApiPropertyOptional({ description: 'The lowest version that gets it' })
  min_gitlab_version?: string;
  @ApiPropertyOptional({ type: [String], description: 'The plans that may have it' })
  eligible_plans?: readonly string[];
  @ApiPropertyOptional({ type: [String], description: 'Add-ons, any of which would grant it' })
  would_be_granted_by?: readonly string[];
}

export class EntitlementsView {
  @ApiProperty({ format: 'uuid' }) license_id!: string;
  @ApiProperty({ type: Date }) at!: Date;
  @ApiProperty({ type: String, nullable: true }) gitlab_version!: string | null;
  @ApiProperty({ type: String, nullable: true, example: null }) denial!: LicenseDenial | null;
  @ApiProperty({ type: [String] }) scopes!: readonly string[];
  @ApiProperty({ type: [String] }) audiences!: readonly string[];
  @ApiProperty({ type: [DecisionView] }) decisions!: DecisionView[];
}

export function entitlementsQuestion(query: EntitlementsQuery): EntitlementsQuestion {
  return {
    gitlabVersion: recordedVersion(query.gitlab_version ?? ''),
    at: parseUtcInstant(query.at ?? ''),
  };
}

export function entitlementsView(explanation: Explanation): EntitlementsView {
  const { scopes, audiences, decisions } = explanation.resolution;
  return {
    license_id: explanation.licenseId,
    at: explanation.at,
    gitlab_version: explanation.gitlabVersion,
    denial: explanation.denial,
    scopes,
    audiences,
    decisions: decisions.map(decisionView),
  };
}

function decisionView(decision: Decision): DecisionView {
  const { granted, reason } = decision;
  const view = { unit_primitive: decision.unitPrimitive, granted, reason };
  switch (decision.reason) {
    case 'ADD_ON_PURCHASED':
      return { ...view, add_on_purchase_id: decision.addOnPurchaseId, until: decision.until };
    case 'GITLAB_VERSION_TOO_OLD':
      return { ...view, min_gitlab_version: decision.minGitlabVersion };
    case 'NO_ACTIVE_PURCHASE':
      return { ...view, would_be_granted_by: decision.wouldBeGrantedBy };
    default:
      return { ...view, ...commonDetails(decision) };
  }
}

/** The members beside the reason, for decisions that instances and users of the platform share. */
export function commonDetails(decision: CommonDecision) {
  switch (decision.reason) {
    case 'FREE':
      return { until: decision.until?.toISOString() ?? null };
    case 'NO_AUDIENCE':
      return {};
    case 'PLAN_NOT_ELIGIBLE':
      return { eligible_plans: decision.eligiblePlans };
    case 'PURCHASE_NOT_STARTED':
      return {
        add_on_purchase_id: decision.addOnPurchaseId,
        starts_on: decision.startsOn,
        would_be_granted_by: decision.wouldBeGrantedBy,
      };
    case 'PURCHASE_EXPIRED':
      return {
        add_on_purchase_id: decision.addOnPurchaseId,
        expired_on: decision.expiredOn,
        would_be_granted_by: decision.wouldBeGrantedBy,
      };
  }
}

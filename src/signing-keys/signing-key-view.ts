import { ApiProperty } from '@nestjs/swagger';
import type { SigningKeyPhase } from './signing-key.entity.js';
import type { FetchedBy } from './key-set-fetch.repository.js';
import type { Timeline, TimelineKey } from './key-timeline.js';
import { NotAcknowledgedByView, notAcknowledgedByView } from './replica-view.js';

export class PlannedInstants {
  @ApiProperty({ type: Date, nullable: true }) signs_from!: Date | null;
  @ApiProperty({ type: Date, nullable: true }) retired_at!: Date | null;
  @ApiProperty({
    type: Date,
    nullable: true,
    description:
      'Only of a retired key: its last token has expired, and validators have renewed caches',
  })
  unpublished_at!: Date | null;
}

export class AcknowledgedBy {
  @ApiProperty({ description: 'Replicas that sign with the key' }) signing!: number;
  @ApiProperty({ description: 'Replicas that publish the key' }) publishing!: number;
  @ApiProperty({ description: 'All live replicas' }) replicas!: number;
}

export class FetchingClientView {
  @ApiProperty({ example: 'python-httpx/0.27' }) user_agent!: string;
  @ApiProperty({ example: '192.0.2.0/24' }) network!: string;
  @ApiProperty() fetches!: number;
  @ApiProperty({ type: Date }) first_fetched_at!: Date;
  @ApiProperty({ type: Date }) last_fetched_at!: Date;
}

export class FetchedByView {
  @ApiProperty({ description: 'Fetches of the key set since it contains the key' })
  fetches!: number;
  @ApiProperty({ description: 'Distinct pairs of user agent and network' }) clients!: number;
  @ApiProperty({ type: [FetchingClientView], description: 'The 20 that fetched last' })
  latest!: FetchingClientView[];
}

/** A signing key as the admin API shows it: never its private half. */
export class SigningKeyView {
  @ApiProperty() kid!: string;
  @ApiProperty({ enum: ['next', 'current', 'retired'] }) phase!: SigningKeyPhase;
  @ApiProperty({ type: Date }) published_at!: Date;
  @ApiProperty({ type: Date, nullable: true, description: 'Only of a next key' })
  may_sign_from!: Date | null;
  @ApiProperty({ type: Date, nullable: true }) signs_from!: Date | null;
  @ApiProperty({ type: Date, nullable: true }) retired_at!: Date | null;
  @ApiProperty({ type: Date, nullable: true, description: 'Only of an unpublished key' })
  unpublished_at!: Date | null;
  @ApiProperty({ description: 'The steps to come, if nothing else changes' })
  planned!: PlannedInstants;
  @ApiProperty({ type: Date, nullable: true, description: 'When its last token expires' })
  tokens_expire_by!: Date | null;
  @ApiProperty({ type: Date, nullable: true }) revoked_at!: Date | null;
  @ApiProperty({ type: String, nullable: true }) revoked_by!: string | null;
  @ApiProperty({ type: String, nullable: true }) revocation_reason!: string | null;
  @ApiProperty({ description: 'It began to sign before all validators could know it' })
  outage_accepted!: boolean;
  @ApiProperty() acknowledged_by!: AcknowledgedBy;
  @ApiProperty({
    description:
      'Replicas that do not publish the key yet. For an unpublished key: replicas that may still publish ' +
      'it. Only replicas that have acknowledged keys within the last 24 hours count',
  })
  not_acknowledged_by!: NotAcknowledgedByView;
  @ApiProperty({
    type: Date,
    nullable: true,
    description:
      'Until then, validators may trust a revoked key. Null while a replica may still publish it',
  })
  trusted_until!: Date | null;
  @ApiProperty() fetched_by!: FetchedByView;
}

export class SigningKeyList {
  @ApiProperty({ type: [SigningKeyView] }) items!: SigningKeyView[];
}

export function signingKeyList({ keys, replicas }: Timeline): SigningKeyList {
  return { items: keys.map((key) => signingKeyView(key, replicas)) };
}

function signingKeyView({ row, planned, ...key }: TimelineKey, replicas: number): SigningKeyView {
  return {
    kid: row.kid,
    phase: row.phase,
    published_at: row.publishedAt,
    may_sign_from: key.maySignFrom,
    signs_from: row.signsFrom,
    retired_at: row.retiredAt,
    unpublished_at: row.unpublishedAt,
    planned: {
      signs_from: planned.signsFrom,
      retired_at: planned.retiredAt,
      unpublished_at: planned.unpublishedAt,
    },
    tokens_expire_by: row.tokensExpireBy,
    revoked_at: row.revokedAt,
    revoked_by: row.revokedBy,
    revocation_reason: row.revocationReason,
    outage_accepted: row.outageAccepted,
    acknowledged_by: {
      signing: key.signingReplicas,
      publishing: key.publishingReplicas,
      replicas,
    },
    not_acknowledged_by: notAcknowledgedByView(key.notAcknowledgedBy),
    trusted_until: key.trustedUntil,
    fetched_by: fetchedByView(key.fetchedBy),
  };
}

function fetchedByView({ fetches, clients, latest }: FetchedBy): FetchedByView {
  return {
    fetches,
    clients,
    latest: latest.map((client) => ({
      user_agent: client.userAgent,
      network: client.network,
      fetches: client.fetches,
      first_fetched_at: client.firstFetchedAt,
      last_fetched_at: client.lastFetchedAt,
    })),
  };
}

import { ApiProperty } from '@nestjs/swagger';
import {
  INSTANCE_STATES,
  type InstanceState,
  type NewestToken,
  type SyncDenial,
} from '../domain/instance-health.js';
import type { InstanceEntity } from '../instances/instance.entity.js';
import type { AssessedInstance } from './instances.service.js';
import {
  AbsurdSeatLinkView,
  HostNameView,
  NetworkView,
  sightingsView,
  SuspicionView,
} from './sightings-view.js';

const STATES =
  'ok: it holds a live token, and its next sync is not overdue. ' +
  'sync_overdue: it holds a live token, but a sync has been due for more than an hour. ' +
  'denied: its next sync brings no token, for the reason in `denial`; its live tokens stay valid. ' +
  'no_token: it holds no live token, although a sync would bring one.';

const DENIALS = [
  'LICENSE_NOT_CLOUD',
  'LICENSE_REVOKED',
  'LICENSE_NOT_STARTED',
  'LICENSE_EXPIRED',
  'TOKENS_REVOKED',
  'NOTHING_TO_GRANT',
] as const satisfies SyncDenial[];

/** The newest token of an instance. */
export class InstanceTokenView {
  @ApiProperty({ format: 'uuid' }) jti!: string;
  @ApiProperty({ type: Date }) expires_at!: Date;
  @ApiProperty({ type: Date, nullable: true }) revoked_at!: Date | null;

  @ApiProperty({ type: [String], description: 'Scopes that the next token will not have' })
  excess_scopes!: string[];

  @ApiProperty({ type: [String], description: 'Scopes that only the next token will have' })
  missing_scopes!: string[];
}

export class AddOnMetricView {
  @ApiProperty() add_on_type!: string;
  @ApiProperty({ type: 'integer' }) purchased_seats!: number;
  @ApiProperty({ type: 'integer' }) assigned_seats!: number;
}

/** What an instance reported of its users and seats. */
export class SeatsView {
  @ApiProperty({ type: Date, nullable: true }) reported_at!: Date | null;
  @ApiProperty({ type: 'integer', nullable: true }) billable_users_count!: number | null;
  @ApiProperty({ type: 'integer', nullable: true }) max_historical_user_count!: number | null;
  @ApiProperty({ type: [AddOnMetricView], nullable: true })
  add_on_metrics!: AddOnMetricView[] | null;
}

/** An instance as the admin API shows it. */
export class InstanceView {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ format: 'uuid' }) license_id!: string;
  @ApiProperty() instance_uuid!: string;
  @ApiProperty({ type: String, nullable: true }) unique_instance_id!: string | null;
  @ApiProperty({ type: String, nullable: true }) host_name!: string | null;
  @ApiProperty({ type: String, nullable: true }) gitlab_version!: string | null;
  @ApiProperty({ type: Date, nullable: true }) last_sync_at!: Date | null;
  @ApiProperty({ type: Date }) last_seen_at!: Date;
  @ApiProperty({ type: Date }) created_at!: Date;

  @ApiProperty({ type: Date, nullable: true }) last_seat_link_at!: Date | null;

  @ApiProperty({ type: SeatsView, nullable: true, description: 'As its last seat link reported' })
  seats!: SeatsView | null;

  @ApiProperty({
    description: 'Whether it reported more users or seats than were bought; syncs still work',
  })
  seats_exceeded!: boolean;

  @ApiProperty({ enum: INSTANCE_STATES, description: STATES })
  state!: InstanceState;

  @ApiProperty({
    enum: DENIALS,
    nullable: true,
    description: 'Why a sync would bring no token now',
  })
  denial!: SyncDenial | null;

  @ApiProperty({
    type: Date,
    nullable: true,
    description:
      'When its next sync is due at the latest: from GitLab 18.0 on an hour after its token has less ' +
      'than two days left, before 18.0 daily at 07:00 UTC. Null if it has never synced, and for an ' +
      'offline cloud license, with which only scripts sync',
  })
  next_sync_due_at!: Date | null;

  @ApiProperty({
    type: Date,
    nullable: true,
    description:
      'When it has no token any more if nothing changes: at the end of its tokens if no sync renews ' +
      'them (denied, overdue, due too late), at the next sync if its tokens are revoked, else at the ' +
      'end of its license with its grace. In the past if that has happened; null if it never had a token',
  })
  loses_service_at!: Date | null;

  @ApiProperty({
    type: InstanceTokenView,
    nullable: true,
    description: 'Its newest token; null if that has expired',
  })
  token!: InstanceTokenView | null;

  @ApiProperty({ type: 'integer', description: 'Its tokens that have not expired' })
  live_tokens!: number;

  @ApiProperty({
    type: 'integer',
    description:
      'How many of these have scopes that the next token will not have. An instance keeps older tokens ' +
      'until they expire. A revoked token counts too, because some validators do not learn of it',
  })
  live_tokens_with_excess_scopes!: number;

  @ApiProperty({ type: [String], description: 'The excess scopes of these tokens' })
  excess_scopes!: string[];

  @ApiProperty({ type: Date, nullable: true, description: 'When the last token with them expires' })
  excess_scopes_until!: Date | null;

  @ApiProperty({
    type: [NetworkView],
    description: 'The networks of its syncs and seat links in the last 14 days, 20 at most',
  })
  networks!: NetworkView[];

  @ApiProperty({ type: [HostNameView], description: 'The host names in these requests' })
  host_names!: HostNameView[];

  @ApiProperty({
    type: [SuspicionView],
    description: 'Why somebody else may be using its license key; usually empty',
  })
  suspicions!: SuspicionView[];

  @ApiProperty({
    type: AbsurdSeatLinkView,
    nullable: true,
    description:
      'Its last seat link with numbers that cannot be true, for 14 days; nothing of it is in `seats`',
  })
  absurd_seat_link!: AbsurdSeatLinkView | null;
}

export class InstancePage {
  @ApiProperty({ type: [InstanceView] }) items!: InstanceView[];
  @ApiProperty({ type: String, nullable: true }) next_cursor!: string | null;
}

export function instanceView(assessed: AssessedInstance): InstanceView {
  const { instance, health, seatsExceeded, sightings } = assessed;
  return {
    id: instance.id,
    license_id: instance.licenseId,
    instance_uuid: instance.instanceUuid,
    unique_instance_id: instance.uniqueInstanceId,
    host_name: instance.hostName,
    gitlab_version: instance.gitlabVersion,
    last_sync_at: instance.lastSyncAt,
    last_seen_at: instance.lastSeenAt,
    created_at: instance.createdAt,
    last_seat_link_at: instance.lastSeatLinkAt,
    seats: instance.lastSeatLinkAt === null ? null : seatsView(instance),
    seats_exceeded: seatsExceeded,
    state: health.state,
    denial: health.denial,
    next_sync_due_at: health.nextSyncDueAt,
    loses_service_at: health.losesServiceAt,
    token: health.newest === null ? null : tokenView(health.newest),
    live_tokens: health.liveTokens,
    live_tokens_with_excess_scopes: health.liveTokensWithExcessScopes,
    excess_scopes: [...health.excessScopes],
    excess_scopes_until: health.excessScopesUntil,
    ...sightingsView(sightings),
  };
}

function seatsView(instance: InstanceEntity): SeatsView {
  return {
    reported_at: instance.seatsReportedAt,
    billable_users_count: instance.billableUsers,
    max_historical_user_count: instance.maxHistoricalUsers,
    add_on_metrics: instance.addOnMetrics,
  };
}

function tokenView(token: NewestToken): InstanceTokenView {
  return {
    jti: token.jti,
    expires_at: token.expiresAt,
    revoked_at: token.revokedAt,
    excess_scopes: [...token.excessScopes],
    missing_scopes: [...token.missingScopes],
  };
}

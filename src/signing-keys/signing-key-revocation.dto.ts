import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean } from 'class-validator';
import type { KeyRevocationPlan } from '../domain/plan-key-revocation.js';
import { IsText, MayBeAbsent } from '../http/validators.js';
import type { KeyTrust } from './key-trust.js';
import { NotAcknowledgedByView, notAcknowledgedByView } from './replica-view.js';
import { SigningKeyView } from './signing-key-view.js';
import type { AffectedInstance, RevocationImpact } from './key-revocation-impact.js';
import type { SigningKeyRevocation } from './revoke-signing-key.js';

export class RevokeSigningKeyBody {
  @ApiPropertyOptional({ description: 'Show the impact, change nothing', default: false })
  @MayBeAbsent()
  @IsBoolean({ message: 'must be true or false' })
  dry_run?: boolean;

  @ApiPropertyOptional({
    description: 'Switch to a next key that validators may not know yet',
    default: false,
  })
  @MayBeAbsent()
  @IsBoolean({ message: 'must be true or false' })
  accept_outage?: boolean;

  @ApiPropertyOptional()
  @MayBeAbsent()
  @IsText(1000)
  reason?: string;
}

export class AffectedInstanceView {
  @ApiProperty({ format: 'uuid' }) id!: string;
  @ApiProperty({ format: 'uuid' }) license_id!: string;
  @ApiProperty() instance_uuid!: string;
  @ApiProperty({ type: String, nullable: true }) host_name!: string | null;
  @ApiProperty() live_tokens!: number;
  @ApiProperty({ type: Date }) last_expires_at!: Date;
}

export class RevocationImpactView {
  @ApiProperty({ description: 'Tokens of the key that have not expired' }) live_tokens!: number;
  @ApiProperty({ description: 'Instances that have such a token' }) instances!: number;
  @ApiProperty({ description: 'Tokens that the platform issued to itself' })
  self_issued_tokens!: number;
  @ApiProperty({ type: Date, nullable: true }) last_expires_at!: Date | null;
  @ApiProperty({
    type: [AffectedInstanceView],
    description: 'At most 100, by the expiry of their tokens',
  })
  affected_instances!: AffectedInstanceView[];
  @ApiProperty({
    type: Date,
    nullable: true,
    description:
      'Until then, validators may trust the key. Null while the replicas in `not_acknowledged_by` may ' +
      'still publish it',
  })
  trusted_until!: Date | null;
  @ApiProperty({ description: 'What to do with validators' }) validator_action!: string;
  @ApiProperty({ description: 'What to do with instances' }) instance_action!: string;
}

export class KeyOutageView {
  @ApiProperty({ type: Date }) next_published_at!: Date;
  @ApiProperty({ type: Date }) until!: Date;
  @ApiProperty({ description: 'What fails until then' }) effect!: string;
}

export class RevocationNotAcknowledgedByView extends NotAcknowledgedByView {
  @ApiProperty({ type: String, nullable: true, description: 'What to do with these replicas' })
  operator_action!: string | null;
}

const OUTCOMES = ['revoke', 'nothing', 'refused', 'no_next_key'] as const satisfies readonly [
  KeyRevocationPlan['outcome'],
  ...KeyRevocationPlan['outcome'][],
];

export class SigningKeyRevocationView {
  @ApiProperty() dry_run!: boolean;
  @ApiProperty() kid!: string;
  @ApiProperty({
    enum: OUTCOMES,
    description:
      '`revoke`: the key was revoked, or would be. `nothing`: it is revoked or unpublished already. Dry ' +
      'run only: `refused`: the next key is too young. `no_next_key`: there is no next key yet',
  })
  outcome!: KeyRevocationPlan['outcome'];
  @ApiProperty({
    type: String,
    nullable: true,
    description: 'The kid of the key that signs instead',
  })
  switch_to!: string | null;
  @ApiProperty({ type: Date, nullable: true, description: 'When a refused revocation is possible' })
  allowed_from!: Date | null;
  @ApiProperty({ type: KeyOutageView, nullable: true }) outage!: KeyOutageView | null;
  @ApiProperty({
    description:
      'The key does not sign any more, but validators may still fetch it. Either it could not be ' +
      'unpublished yet (the service retries every ten seconds, and at once with the next request), or ' +
      'the replicas in `not_acknowledged_by` may still publish it',
  })
  still_published!: boolean;
  @ApiProperty({
    type: RevocationNotAcknowledgedByView,
    nullable: true,
    description:
      'Replicas that have not acknowledged the revocation, but have acknowledged keys within the last ' +
      '24 hours. Dry run: only silent replicas. Null when it could not be read',
  })
  not_acknowledged_by!: RevocationNotAcknowledgedByView | null;
  @ApiProperty({
    type: RevocationImpactView,
    nullable: true,
    description: 'Null when the key was revoked and the count failed: send a dry run',
  })
  impact!: RevocationImpactView | null;
  @ApiProperty({
    type: [SigningKeyView],
    nullable: true,
    description: 'Null when they could not be read',
  })
  items!: SigningKeyView[] | null;
}

export function signingKeyRevocationView(
  dryRun: boolean,
  { key, plan, stillPublished, impact, trust }: SigningKeyRevocation,
  items: SigningKeyView[] | null,
): SigningKeyRevocationView {
  return {
    dry_run: dryRun,
    kid: key.kid,
    outcome: plan.outcome,
    switch_to: plan.outcome === 'revoke' ? plan.switchTo : null,
    allowed_from: plan.outcome === 'refused' ? plan.allowedFrom : null,
    outage: outageView(plan),
    still_published: stillPublished || (!dryRun && (trust?.notAcknowledgedBy.total ?? 0) > 0),
    not_acknowledged_by: trust && notAcknowledgedView(trust),
    impact: impact && impactView(impact, trust?.trustedUntil ?? null),
    items,
  };
}

function outageView(plan: KeyRevocationPlan): KeyOutageView | null {
  if (plan.outcome !== 'revoke' && plan.outcome !== 'refused') return null;
  if (plan.outage === null) return null;
  return {
    next_published_at: plan.outage.nextPublishedAt,
    until: plan.outage.until,
    effect:
      'Validators that fetched the keys before next_published_at refuse every new token until ' +
      'they fetch the keys again or are restarted.',
  };
}

function notAcknowledgedView({ notAcknowledgedBy }: KeyTrust): RevocationNotAcknowledgedByView {
  return {
    ...notAcknowledgedByView(notAcknowledgedBy),
    operator_action:
      notAcknowledgedBy.total === 0
        ? null
        : 'Each of these replicas may still publish the key, and validators that fetch the keys from it ' +
          'trust the key. Stop the replica, or reconnect it to the database. If it has ended, remove ' +
          'it: DELETE /api/v1/replicas/:id. Then send the request again.',
  };
}

function impactView(impact: RevocationImpact, trustedUntil: Date | null): RevocationImpactView {
  return {
    live_tokens: impact.liveTokens,
    instances: impact.instances,
    self_issued_tokens: impact.selfIssuedTokens,
    last_expires_at: impact.lastExpiresAt,
    affected_instances: impact.affected.map(affectedInstanceView),
    trusted_until: trustedUntil,
    validator_action:
      'Restart every validator, or clear its cached keys. Until then, or until trusted_until, it ' +
      'accepts every token that the revoked key has signed, including forged tokens.',
    instance_action:
      'Validators refuse the tokens of each affected instance from then on. Its admin forces a sync, or ' +
      'it syncs by itself when its token has less than two days left.',
  };
}

function affectedInstanceView(instance: AffectedInstance): AffectedInstanceView {
  return {
    id: instance.id,
    license_id: instance.licenseId,
    instance_uuid: instance.instanceUuid,
    host_name: instance.hostName,
    live_tokens: instance.liveTokens,
    last_expires_at: instance.lastExpiresAt,
  };
}

import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean } from 'class-validator';
import type { KeyRevocationPlan } from '../domain/plan-key-revocation.js';
import { IsText, MayBeAbsent } from '../http/validators.js';
import type { KeyTrust } from './key-trust.js';
import { NotAcknowledgedByView, notAcknowledgedByView } from './replica-view.js';
import { SigningKeyView } from './signing-key-view.js';
import type { AffectedInstance, BlastRadius } from './key-blast-radius.js';
import type { WithdrawnSigningKey } from './withdraw-signing-key.js';

export class RevokeSigningKeyBody {
  @ApiPropertyOptional({ description: 'Only tell what it would do', default: false })
  @MayBeAbsent()
  @IsBoolean({ message: 'must be true or false' })
  dry_run?: boolean;

  @ApiPropertyOptional({ description: 'Switch to a standby that is too young', default: false })
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
  @ApiProperty() instance_id!: string;
  @ApiProperty({ type: String, nullable: true }) host_name!: string | null;
  @ApiProperty() live_tokens!: number;
  @ApiProperty({ type: Date }) last_expires_at!: Date;
}

export class BlastRadiusView {
  @ApiProperty({ description: 'Tokens of the key that have not expired' }) live_tokens!: number;
  @ApiProperty({ description: 'Instances that hold one' }) instances!: number;
  @ApiProperty({ description: 'Of the tokens, those that the platform issued to itself' })
  self_issued_tokens!: number;
  @ApiProperty({ type: Date, nullable: true }) last_expires_at!: Date | null;
  @ApiProperty({ type: [AffectedInstanceView], description: '100 at most' })
  affected_instances!: AffectedInstanceView[];
  @ApiProperty({
    type: Date,
    nullable: true,
    description:
      'Until then validators may go on trusting the key. Null while nobody can tell: the replicas in ' +
      '`not_acknowledged_by` may go on publishing it',
  })
  trusted_until!: Date | null;
  @ApiProperty({ description: 'What validators must do' }) validators!: string;
  @ApiProperty({ description: 'What instances must do' }) instances_must!: string;
}

export class KeyOutageView {
  @ApiProperty({ type: Date }) standby_published_at!: Date;
  @ApiProperty({ type: Date }) until!: Date;
  @ApiProperty({ description: 'What fails until then' }) fails!: string;
}

export class WithdrawnByView extends NotAcknowledgedByView {
  @ApiProperty({ type: String, nullable: true, description: 'What an operator must do' })
  what_to_do!: string | null;
}

const OUTCOMES = ['revoke', 'nothing', 'refused', 'no-standby'] as const satisfies readonly [
  KeyRevocationPlan['outcome'],
  ...KeyRevocationPlan['outcome'][],
];

export class SigningKeyRevocationView {
  @ApiProperty() dry_run!: boolean;
  @ApiProperty() kid!: string;
  @ApiProperty({
    enum: OUTCOMES,
    description:
      '`revoke`: it was revoked, or would be; `nothing`: it was already; `refused` (dry run only): ' +
      'the standby is too young; `no-standby` (dry run only): none is published yet',
  })
  outcome!: KeyRevocationPlan['outcome'];
  @ApiProperty({ type: String, nullable: true, description: 'The kid that signs instead' })
  switch_to!: string | null;
  @ApiProperty({ type: Date, nullable: true, description: 'Of a refusal' })
  allowed_from!: Date | null;
  @ApiProperty({ type: KeyOutageView, nullable: true }) outage!: KeyOutageView | null;
  @ApiProperty({
    description:
      'The key was revoked and signs no more, but validators may still fetch it: it could not be taken ' +
      'out of the key set (tried again every ten seconds, and at once when you ask again), or the ' +
      'replicas in `not_acknowledged_by` may go on publishing it',
  })
  still_published!: boolean;
  @ApiProperty({
    type: WithdrawnByView,
    nullable: true,
    description:
      'Replicas that have not acknowledged the revocation, of those that were heard of within 24 ' +
      'hours. Dry run: those that are silent, so that nobody knows when they will. Null when that ' +
      'was not read',
  })
  not_acknowledged_by!: WithdrawnByView | null;
  @ApiProperty({
    type: BlastRadiusView,
    nullable: true,
    description: 'Null when the key was revoked and the count failed: ask again with dry_run',
  })
  blast_radius!: BlastRadiusView | null;
  @ApiProperty({ type: [SigningKeyView], nullable: true, description: 'Null when it was not read' })
  items!: SigningKeyView[] | null;
}

export function signingKeyRevocationView(
  dryRun: boolean,
  { revocation: { key, plan, stillPublished }, radius, trust }: WithdrawnSigningKey,
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
    not_acknowledged_by: trust && withdrawnByView(trust),
    blast_radius: radius && blastRadiusView(radius, trust?.trustedUntil ?? null),
    items,
  };
}

function outageView(plan: KeyRevocationPlan): KeyOutageView | null {
  if (plan.outcome !== 'revoke' && plan.outcome !== 'refused') return null;
  if (plan.outage === null) return null;
  return {
    standby_published_at: plan.outage.standbyPublishedAt,
    until: plan.outage.until,
    fails:
      'Validators that fetched the keys before standby_published_at refuse every new token until ' +
      'they fetch them again or are restarted.',
  };
}

function withdrawnByView({ notAcknowledgedBy }: KeyTrust): WithdrawnByView {
  return {
    ...notAcknowledgedByView(notAcknowledgedBy),
    what_to_do:
      notAcknowledgedBy.total === 0
        ? null
        : 'Each of these replicas may go on publishing the key, and validators that fetch from it ' +
          'trust the key. Stop it, or let it reach the database again; if it has ended, strike it ' +
          'out: DELETE /api/v1/replicas/:id. Then ask again.',
  };
}

function blastRadiusView(radius: BlastRadius, trustedUntil: Date | null): BlastRadiusView {
  return {
    live_tokens: radius.liveTokens,
    instances: radius.instances,
    self_issued_tokens: radius.selfIssuedTokens,
    last_expires_at: radius.lastExpiresAt,
    affected_instances: radius.affected.map(affectedInstanceView),
    trusted_until: trustedUntil,
    validators:
      'Restart every validator, or drop its cached keys: until then, or until trusted_until, it ' +
      'accepts whatever the revoked key has signed, forged tokens too.',
    instances_must:
      'Each affected instance holds tokens that validators refuse from then on: its admin forces a ' +
      'sync, or it syncs by itself when its token has less than two days left.',
  };
}

function affectedInstanceView(instance: AffectedInstance): AffectedInstanceView {
  return {
    id: instance.id,
    license_id: instance.licenseId,
    instance_id: instance.instanceId,
    host_name: instance.hostName,
    live_tokens: instance.liveTokens,
    last_expires_at: instance.lastExpiresAt,
  };
}

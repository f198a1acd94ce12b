import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { LifecycleKey } from '../domain/plan-key-rotation.js';
import type { PublicJwk } from '../domain/published-document.js';

export type SigningKeyPhase = LifecycleKey['phase'];

@Entity('signing_keys')
@Index('signing_keys_current_idx', ['phase'], { unique: true, where: `phase = 'current'` })
@Index('signing_keys_next_idx', ['phase'], { unique: true, where: `phase = 'next'` })
@Check('signing_keys_phase_check', `phase IN ('next', 'current', 'retired')`)
@Check('signing_keys_public_jwk_check', `public_jwk ->> 'kid' = kid`)
@Check(
  'signing_keys_sealed_private_key_check',
  `(phase = 'retired') = (sealed_private_key IS NULL)`,
)
@Check(
  'signing_keys_signs_from_check',
  `CASE phase WHEN 'next' THEN signs_from IS NULL WHEN 'current' THEN signs_from IS NOT NULL ELSE true END`,
)
@Check('signing_keys_retired_at_check', `(phase = 'retired') = (retired_at IS NOT NULL)`)
@Check(
  'signing_keys_lead_check',
  `signs_from IS NULL OR outage_accepted
          OR extract(epoch FROM signs_from - greatest(published_at, published_late_at))
             >= lead_seconds`,
)
@Check('signing_keys_published_late_at_check', `published_late_at >= published_at`)
@Check('signing_keys_unpublished_late_at_check', `unpublished_late_at >= unpublished_at`)
@Check(
  'signing_keys_tokens_expire_by_check',
  `unpublished_at IS NULL OR revoked_at IS NOT NULL OR tokens_expire_by IS NULL
          OR unpublished_at >= tokens_expire_by`,
)
@Check(
  'signing_keys_revoked_at_check',
  `CASE WHEN revoked_at IS NULL THEN revoked_by IS NULL AND revocation_reason IS NULL
               ELSE phase = 'retired' END`,
)
@Check('signing_keys_unpublished_at_check', `unpublished_at IS NULL OR phase = 'retired'`)
export class SigningKeyEntity implements LifecycleKey {
  @PrimaryColumn('text', { primaryKeyConstraintName: 'signing_keys_pkey' })
  kid!: string;

  @Column('text')
  phase!: SigningKeyPhase;

  @Column('jsonb', { name: 'public_jwk' })
  publicJwk!: PublicJwk;

  /** PKCS #8, sealed with `signing_keys:<kid>` as its owner. Null when the key is retired. */
  @Column('bytea', { name: 'sealed_private_key', nullable: true })
  sealedPrivateKey!: Buffer | null;

  @Column('timestamptz', { name: 'published_at' })
  publishedAt!: Date;

  /** When the last late replica began to publish it, for example one that was cut off. */
  @Column('timestamptz', { name: 'published_late_at', nullable: true })
  publishedLateAt!: Date | null;

  @Column('timestamptz', { name: 'signs_from', nullable: true })
  signsFrom!: Date | null;

  @Column('timestamptz', { name: 'retired_at', nullable: true })
  retiredAt!: Date | null;

  @Column('timestamptz', { name: 'unpublished_at', nullable: true })
  unpublishedAt!: Date | null;

  /** When the last replica stopped publishing a revoked key, if that was later than `unpublishedAt`. */
  @Column('timestamptz', { name: 'unpublished_late_at', nullable: true })
  unpublishedLateAt!: Date | null;

  /** When the last of its tokens expires. The ledger updates it. */
  @Column('timestamptz', { name: 'tokens_expire_by', nullable: true })
  tokensExpireBy!: Date | null;

  /** How long it had to be published before it could sign. */
  @Column('integer', { name: 'lead_seconds', default: 0 })
  leadSeconds!: number;

  /** An operator let it sign before all validators could know it. */
  @Column('boolean', { name: 'outage_accepted', default: false })
  outageAccepted!: boolean;

  @Column('timestamptz', { name: 'revoked_at', nullable: true })
  revokedAt!: Date | null;

  /** The name of the API token, or the user of the command. */
  @Column('text', { name: 'revoked_by', nullable: true })
  revokedBy!: string | null;

  @Column('text', { name: 'revocation_reason', nullable: true })
  revocationReason!: string | null;
}

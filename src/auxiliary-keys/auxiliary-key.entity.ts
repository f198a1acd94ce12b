import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { LifecycleKey } from '../domain/plan-key-rotation.js';
import type { AuxiliaryJwk } from './auxiliary-key.js';

/** A key that signs status lists and checkpoints. It is never unpublished: its signatures stay verifiable. */
@Entity('auxiliary_keys')
@Index('auxiliary_keys_current_idx', ['phase'], { unique: true, where: `phase = 'current'` })
@Index('auxiliary_keys_next_idx', ['phase'], { unique: true, where: `phase = 'next'` })
@Check('auxiliary_keys_phase_check', `phase IN ('next', 'current', 'retired')`)
@Check('auxiliary_keys_public_jwk_check', `public_jwk ->> 'kid' = kid AND NOT public_jwk ? 'd'`)
@Check(
  'auxiliary_keys_sealed_private_key_check',
  `(phase = 'retired') = (sealed_private_key IS NULL)`,
)
@Check('auxiliary_keys_signs_from_check', `(phase = 'next') = (signs_from IS NULL)`)
@Check('auxiliary_keys_retired_at_check', `(phase = 'retired') = (retired_at IS NOT NULL)`)
export class AuxiliaryKeyEntity implements LifecycleKey {
  @PrimaryColumn('text', { primaryKeyConstraintName: 'auxiliary_keys_pkey' })
  kid!: string;

  @Column('text')
  phase!: LifecycleKey['phase'];

  @Column('jsonb', { name: 'public_jwk' })
  publicJwk!: AuxiliaryJwk;

  /** PKCS #8, sealed with `auxiliary_keys:<kid>` as its owner. Null when the key is retired. */
  @Column('bytea', { name: 'sealed_private_key', nullable: true })
  sealedPrivateKey!: Buffer | null;

  /** The sealed kid proves that the key was added by someone with the key-encryption key. */
  @Column('bytea', { name: 'sealed_kid' })
  sealedKid!: Buffer;

  @Column('timestamptz', { name: 'published_at' })
  publishedAt!: Date;

  @Column('timestamptz', { name: 'signs_from', nullable: true })
  signsFrom!: Date | null;

  @Column('timestamptz', { name: 'retired_at', nullable: true })
  retiredAt!: Date | null;

  readonly tokensExpireBy = null;
  readonly revokedAt = null;
  readonly unpublishedAt = null;
}

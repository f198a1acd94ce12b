import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';
import type { PublicJwk } from '../domain/published-document.js';

export type SigningKeyPhase = 'next' | 'current' | 'retired';

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
@Check('signing_keys_unpublished_at_check', `unpublished_at IS NULL OR phase = 'retired'`)
export class SigningKeyEntity {
  @PrimaryColumn('text', { primaryKeyConstraintName: 'signing_keys_pkey' })
  kid!: string;

  @Column('text')
  phase!: SigningKeyPhase;

  @Column('jsonb', { name: 'public_jwk' })
  publicJwk!: PublicJwk;

  /** PKCS #8, sealed with `signing_keys:<kid>` as its owner; gone once the key is retired. */
  @Column('bytea', { name: 'sealed_private_key', nullable: true })
  sealedPrivateKey!: Buffer | null;

  @Column('timestamptz', { name: 'published_at' })
  publishedAt!: Date;

  @Column('timestamptz', { name: 'signs_from', nullable: true })
  signsFrom!: Date | null;

  @Column('timestamptz', { name: 'retired_at', nullable: true })
  retiredAt!: Date | null;

  @Column('timestamptz', { name: 'unpublished_at', nullable: true })
  unpublishedAt!: Date | null;
}

import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import { InstanceEntity } from '../instances/instance.entity.js';
import { LicenseEntity } from '../licenses/license.entity.js';

export const REVOCATION_SUBJECTS = ['token', 'instance', 'license', 'user', 'namespace'] as const;
export type RevocationSubject = (typeof REVOCATION_SUBJECTS)[number];

const ACTIVE = { unique: true, where: 'restored_at IS NULL' } as const;

/** A revocation of one token, or of all tokens of an instance, a license, a user or a namespace. */
@Entity('service_token_revocations')
@Index('service_token_revocations_jti_idx', ['jti'], { unique: true })
@Index('service_token_revocations_instance_id_idx', ['instanceId'])
@Index('service_token_revocations_instance_id_active_idx', ['instanceId'], ACTIVE)
@Index('service_token_revocations_license_id_idx', ['licenseId'])
@Index('service_token_revocations_license_id_active_idx', ['licenseId'], ACTIVE)
@Index('service_token_revocations_user_id_idx', ['userId'])
@Index('service_token_revocations_namespace_id_idx', ['namespaceId'])
@Check(
  'service_token_revocations_subject_check',
  `CASE subject WHEN 'token' THEN jti IS NOT NULL
                       WHEN 'instance' THEN instance_id IS NOT NULL
                       WHEN 'license' THEN license_id IS NOT NULL
                       WHEN 'user' THEN user_id IS NOT NULL
                       WHEN 'namespace' THEN namespace_id IS NOT NULL ELSE false END
          AND num_nonnulls(jti, instance_id, license_id, user_id, namespace_id) = 1`,
)
@Check(
  'service_token_revocations_revoked_tokens_check',
  `revoked_tokens >= 0 AND (revoked_tokens > 0) = (last_expires_at IS NOT NULL)`,
)
@Check(
  'service_token_revocations_restored_at_check',
  `(restored_at IS NULL) = (restored_by IS NULL)
          AND (restored_at IS NOT NULL OR restore_reason IS NULL)
          AND (restored_at IS NULL OR subject IN ('instance', 'license'))`,
)
export class ServiceTokenRevocationEntity {
  @PrimaryColumn('uuid', { primaryKeyConstraintName: 'service_token_revocations_pkey' })
  id!: string;

  @Column('text')
  subject!: RevocationSubject;

  @Column('uuid', { nullable: true })
  jti!: string | null;

  /** The row of the instance. */
  @Column('uuid', { name: 'instance_id', nullable: true })
  @ForeignKey(() => InstanceEntity, { name: 'service_token_revocations_instance_id_fkey' })
  instanceId!: string | null;

  @Column('uuid', { name: 'license_id', nullable: true })
  @ForeignKey(() => LicenseEntity, { name: 'service_token_revocations_license_id_fkey' })
  licenseId!: string | null;

  /** The platform's own id of a user; the tokens are self-issued. */
  @Column('text', { name: 'user_id', nullable: true })
  userId!: string | null;

  /** The platform's own id of a namespace; the tokens are self-issued. */
  @Column('text', { name: 'namespace_id', nullable: true })
  namespaceId!: string | null;

  @Column('text', { nullable: true })
  reason!: string | null;

  @Column('timestamptz', { name: 'revoked_at' })
  revokedAt!: Date;

  /** The name of the API token. */
  @Column('text', { name: 'revoked_by' })
  revokedBy!: string;

  /** How many tokens it revoked that had not expired. */
  @Column('integer', { name: 'revoked_tokens' })
  revokedTokens!: number;

  /** When the last of them expires; null if there was none. */
  @Column('timestamptz', { name: 'last_expires_at', nullable: true })
  lastExpiresAt!: Date | null;

  @Column('timestamptz', { name: 'restored_at', nullable: true })
  restoredAt!: Date | null;

  @Column('text', { name: 'restored_by', nullable: true })
  restoredBy!: string | null;

  @Column('text', { name: 'restore_reason', nullable: true })
  restoreReason!: string | null;
}

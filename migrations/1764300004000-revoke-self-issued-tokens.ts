import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Lets a revocation be of the tokens that the platform issued to itself for a user or a namespace. */
export class RevokeSelfIssuedTokens1764300004000 implements MigrationInterface {
  readonly name = 'RevokeSelfIssuedTokens1764300004000';

  async up(runner: QueryRunner): Promise<void> {
    // The ids are the platform's own: we need not know of them. Such a revocation takes what lives; it
    // has nobody answered null, so there is nothing to restore.
    await runner.query(`
      ALTER TABLE service_token_revocations
        ADD COLUMN user_id      text,
        ADD COLUMN namespace_id text,
        DROP CONSTRAINT service_token_revocations_subject_check,
        ADD CONSTRAINT service_token_revocations_subject_check CHECK (
          CASE subject WHEN 'token' THEN jti IS NOT NULL
                       WHEN 'instance' THEN instance_id IS NOT NULL
                       WHEN 'license' THEN license_id IS NOT NULL
                       WHEN 'user' THEN user_id IS NOT NULL
                       WHEN 'namespace' THEN namespace_id IS NOT NULL ELSE false END
          AND num_nonnulls(jti, instance_id, license_id, user_id, namespace_id) = 1),
        DROP CONSTRAINT service_token_revocations_restored_at_check,
        ADD CONSTRAINT service_token_revocations_restored_at_check CHECK (
          (restored_at IS NULL) = (restored_by IS NULL)
          AND (restored_at IS NOT NULL OR restore_reason IS NULL)
          AND (restored_at IS NULL OR subject IN ('instance', 'license')))`);
    for (const subject of ['user_id', 'namespace_id']) {
      await runner.query(`
        CREATE INDEX service_token_revocations_${subject}_idx
        ON service_token_revocations (${subject})`);
    }
  }

  /** Refused by the check of the subject once there is such a revocation. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE service_token_revocations
        DROP CONSTRAINT service_token_revocations_restored_at_check,
        ADD CONSTRAINT service_token_revocations_restored_at_check CHECK (
          (restored_at IS NULL) = (restored_by IS NULL)
          AND (restored_at IS NOT NULL OR restore_reason IS NULL)
          AND (restored_at IS NULL OR subject <> 'token')),
        DROP CONSTRAINT service_token_revocations_subject_check,
        ADD CONSTRAINT service_token_revocations_subject_check CHECK (
          CASE subject WHEN 'token' THEN jti IS NOT NULL
                       WHEN 'instance' THEN instance_id IS NOT NULL
                       WHEN 'license' THEN license_id IS NOT NULL ELSE false END
          AND num_nonnulls(jti, instance_id, license_id) = 1),
        DROP COLUMN namespace_id,
        DROP COLUMN user_id`);
  }
}

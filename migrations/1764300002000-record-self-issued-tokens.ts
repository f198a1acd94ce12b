import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Lets the ledger record tokens of the platform itself, which no license and no instance owns. */
export class RecordSelfIssuedTokens1764300002000 implements MigrationInterface {
  readonly name = 'RecordSelfIssuedTokens1764300002000';

  async up(runner: QueryRunner): Promise<void> {
    // What a self-issued token was asked with, as JSON that keeps its text: the chain hashes it.
    // Every row that comes is checked; reading those that are there would hold up the syncs, so that
    // is left to a migration of its own.
    await runner.query(`
      ALTER TABLE issued_tokens
        ALTER COLUMN license_id DROP NOT NULL,
        ALTER COLUMN instance_id DROP NOT NULL,
        ALTER COLUMN gitlab_version DROP NOT NULL,
        ADD COLUMN self_issued json,
        ADD CONSTRAINT issued_tokens_owner_check CHECK (
          CASE WHEN self_issued IS NULL
               THEN num_nulls(license_id, instance_id, gitlab_version) = 0
               ELSE num_nonnulls(license_id, instance_id, gitlab_version) = 0 END) NOT VALID`);
  }

  /** Refused by `SET NOT NULL` while the ledger has a self-issued token. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE issued_tokens
        DROP CONSTRAINT issued_tokens_owner_check,
        DROP COLUMN self_issued,
        ALTER COLUMN gitlab_version SET NOT NULL,
        ALTER COLUMN instance_id SET NOT NULL,
        ALTER COLUMN license_id SET NOT NULL`);
  }
}

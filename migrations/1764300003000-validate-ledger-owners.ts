import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Reads the ledger once to prove that every row has its owner, while tokens are issued beside it. */
export class ValidateLedgerOwners1764300003000 implements MigrationInterface {
  readonly name = 'ValidateLedgerOwners1764300003000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE issued_tokens VALIDATE CONSTRAINT issued_tokens_owner_check`);
  }

  /** Nothing makes a constraint doubtful again but a new one in its place. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE issued_tokens
        DROP CONSTRAINT issued_tokens_owner_check,
        ADD CONSTRAINT issued_tokens_owner_check CHECK (
          CASE WHEN self_issued IS NULL
               THEN num_nulls(license_id, instance_id, gitlab_version) = 0
               ELSE num_nonnulls(license_id, instance_id, gitlab_version) = 0 END) NOT VALID`);
  }
}

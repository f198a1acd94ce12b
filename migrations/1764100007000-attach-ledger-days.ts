import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Makes a day of the ledger without a moment in which nobody can read or write the others. */
export class AttachLedgerDays1764100007000 implements MigrationInterface {
  readonly name = 'AttachLedgerDays1764100007000';

  async up(runner: QueryRunner): Promise<void> {
    // CREATE TABLE ... PARTITION OF waits for everybody who reads the ledger, a dump say, and every
    // sync would wait behind it. ATTACH PARTITION waits for neither readers nor writers.
    await runner.query(`
      CREATE OR REPLACE FUNCTION create_issued_tokens_partition(day date) RETURNS void
      LANGUAGE plpgsql AS $$
      DECLARE
        partition text := 'issued_tokens_' || to_char(day, 'YYYYMMDD');
      BEGIN
        PERFORM pg_advisory_xact_lock(hashtext('create_issued_tokens_partition'));
        IF to_regclass(partition) IS NOT NULL THEN RETURN; END IF;
        EXECUTE format('CREATE TABLE %I (LIKE issued_tokens INCLUDING CONSTRAINTS)', partition);
        EXECUTE format('ALTER TABLE issued_tokens ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
          partition, first_jti_of(day), first_jti_of(day + 1));
      END $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE OR REPLACE FUNCTION create_issued_tokens_partition(day date) RETURNS void
      LANGUAGE plpgsql AS $$
      BEGIN
        -- IF NOT EXISTS alone does not save two sessions that create the same table at once.
        PERFORM pg_advisory_xact_lock(hashtext('create_issued_tokens_partition'));
        EXECUTE format(
          'CREATE TABLE IF NOT EXISTS %I PARTITION OF issued_tokens FOR VALUES FROM (%L) TO (%L)',
          'issued_tokens_' || to_char(day, 'YYYYMMDD'), first_jti_of(day), first_jti_of(day + 1));
      END $$`);
  }
}

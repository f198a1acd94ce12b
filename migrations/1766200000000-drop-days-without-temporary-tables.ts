import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A role that owns its schema and nothing else may not make temporary tables. Both functions read the
 * batches of a day from the day itself instead.
 */
export class DropDaysWithoutTemporaryTables1766200000000 implements MigrationInterface {
  readonly name = 'DropDaysWithoutTemporaryTables1766200000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE OR REPLACE FUNCTION count_issued_tokens_partition(
        counted date, OUT ready boolean, OUT tokens bigint, OUT first_checkpoint bigint,
        OUT last_checkpoint bigint)
      LANGUAGE plpgsql AS $$
      BEGIN
        EXECUTE format('
          SELECT count(*) FILTER (WHERE b.chain_id IS NOT NULL AND b.checkpoint_number IS NULL) = 0,
                 coalesce(sum(d.tokens), 0), min(b.checkpoint_number), max(b.checkpoint_number)
          FROM (SELECT chain_id, batch_number AS number, count(*) AS tokens FROM %I GROUP BY 1, 2) d
          LEFT JOIN ledger_batches b USING (chain_id, number)', issued_tokens_partition(counted))
        INTO ready, tokens, first_checkpoint, last_checkpoint;
      END $$`);
    // Each chain keeps the last batch of its dropped days, because the next batch names its hash.
    await runner.query(`
      CREATE OR REPLACE FUNCTION drop_issued_tokens_partition(
        dropped date, tokens bigint, first_checkpoint bigint, last_checkpoint bigint,
        at timestamptz, signed text) RETURNS void
      LANGUAGE plpgsql AS $$
      DECLARE
        partition text := issued_tokens_partition(dropped);
      BEGIN
        INSERT INTO ledger_dropped_days
          (day, tokens, first_checkpoint, last_checkpoint, dropped_at, signed)
        VALUES ($1, $2, $3, $4, $5, $6);
        EXECUTE format('
          DELETE FROM ledger_batches b USING (SELECT DISTINCT chain_id, batch_number FROM %I) d
          WHERE b.chain_id = d.chain_id AND b.number = d.batch_number - 1
            AND EXISTS (SELECT FROM ledger_dropped_days WHERE day = day_of_jti(b.first_jti))',
          partition);
        -- Last: from here to the commit nobody else can read or write the ledger.
        EXECUTE format('DROP TABLE %I', partition);
      END $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE OR REPLACE FUNCTION count_issued_tokens_partition(
        counted date, OUT ready boolean, OUT tokens bigint, OUT first_checkpoint bigint,
        OUT last_checkpoint bigint)
      LANGUAGE plpgsql AS $$
      BEGIN
        CREATE TEMPORARY TABLE IF NOT EXISTS dropped_batches
          (chain_id uuid, number integer, tokens bigint) ON COMMIT DROP;
        TRUNCATE dropped_batches;
        EXECUTE format('INSERT INTO dropped_batches
          SELECT chain_id, batch_number, count(*) FROM %I GROUP BY 1, 2',
          issued_tokens_partition(counted));
        SELECT count(*) FILTER (WHERE b.chain_id IS NOT NULL AND b.checkpoint_number IS NULL) = 0,
               coalesce(sum(d.tokens), 0), min(b.checkpoint_number), max(b.checkpoint_number)
        INTO ready, count_issued_tokens_partition.tokens, first_checkpoint, last_checkpoint
        FROM dropped_batches d LEFT JOIN ledger_batches b USING (chain_id, number);
      END $$`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION drop_issued_tokens_partition(
        dropped date, tokens bigint, first_checkpoint bigint, last_checkpoint bigint,
        at timestamptz, signed text) RETURNS void
      LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO ledger_dropped_days
          (day, tokens, first_checkpoint, last_checkpoint, dropped_at, signed)
        VALUES ($1, $2, $3, $4, $5, $6);
        DELETE FROM ledger_batches b USING dropped_batches d
        WHERE b.chain_id = d.chain_id AND b.number = d.number - 1
          AND EXISTS (SELECT FROM ledger_dropped_days WHERE day = day_of_jti(b.first_jti));
        -- Last: from here to the commit nobody else can read or write the ledger.
        EXECUTE format('DROP TABLE %I', issued_tokens_partition(dropped));
      END $$`);
  }
}

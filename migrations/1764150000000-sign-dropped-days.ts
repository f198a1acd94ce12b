import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A note of a dropped day excuses what is missing of it, so it is signed. In two steps: what is noted
 * is known before the day goes, and signed in between by the service.
 */
export class SignDroppedDays1764150000000 implements MigrationInterface {
  readonly name = 'SignDroppedDays1764150000000';

  async up(runner: QueryRunner): Promise<void> {
    // Null in notes from before: signing whatever stands there would vouch for planted ones.
    await runner.query(`ALTER TABLE ledger_dropped_days ADD COLUMN signed text`);
    await runner.query(`DROP FUNCTION drop_issued_tokens_partition(date, timestamptz)`);
    await runner.query(`
      CREATE FUNCTION weigh_issued_tokens_partition(
        weighed date, OUT ready boolean, OUT tokens bigint, OUT first_checkpoint bigint,
        OUT last_checkpoint bigint)
      LANGUAGE plpgsql AS $$
      BEGIN
        CREATE TEMPORARY TABLE IF NOT EXISTS dropped_batches
          (chain_id uuid, number integer, tokens bigint) ON COMMIT DROP;
        TRUNCATE dropped_batches;
        EXECUTE format('INSERT INTO dropped_batches
          SELECT chain_id, batch_number, count(*) FROM %I GROUP BY 1, 2',
          'issued_tokens_' || to_char(weighed, 'YYYYMMDD'));
        SELECT count(*) FILTER (WHERE b.chain_id IS NOT NULL AND b.checkpoint_number IS NULL) = 0,
               coalesce(sum(d.tokens), 0), min(b.checkpoint_number), max(b.checkpoint_number)
        INTO ready, weigh_issued_tokens_partition.tokens, first_checkpoint, last_checkpoint
        FROM dropped_batches d LEFT JOIN ledger_batches b USING (chain_id, number);
      END $$`);
    // In the transaction in which the day was weighed.
    await runner.query(`
      CREATE FUNCTION drop_issued_tokens_partition(
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
        EXECUTE format('DROP TABLE %I', 'issued_tokens_' || to_char(dropped, 'YYYYMMDD'));
      END $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP FUNCTION drop_issued_tokens_partition(date, bigint, bigint, bigint, timestamptz, text)`);
    await runner.query(`DROP FUNCTION weigh_issued_tokens_partition(date)`);
    await runner.query(`ALTER TABLE ledger_dropped_days DROP COLUMN signed`);
    await runner.query(`
      CREATE FUNCTION drop_issued_tokens_partition(dropped date, at timestamptz) RETURNS boolean
      LANGUAGE plpgsql AS $$
      DECLARE
        partition text := 'issued_tokens_' || to_char(dropped, 'YYYYMMDD');
      BEGIN
        CREATE TEMPORARY TABLE IF NOT EXISTS dropped_batches
          (chain_id uuid, number integer, tokens bigint) ON COMMIT DROP;
        TRUNCATE dropped_batches;
        EXECUTE format('INSERT INTO dropped_batches
          SELECT chain_id, batch_number, count(*) FROM %I GROUP BY 1, 2', partition);
        IF EXISTS (
          SELECT FROM dropped_batches d JOIN ledger_batches b USING (chain_id, number)
          WHERE b.checkpoint_number IS NULL
        ) THEN
          RETURN false;
        END IF;
        INSERT INTO ledger_dropped_days (day, tokens, first_checkpoint, last_checkpoint, dropped_at)
        SELECT dropped, coalesce(sum(d.tokens), 0), min(b.checkpoint_number), max(b.checkpoint_number), at
        FROM dropped_batches d LEFT JOIN ledger_batches b USING (chain_id, number);
        DELETE FROM ledger_batches b USING dropped_batches d
        WHERE b.chain_id = d.chain_id AND b.number = d.number - 1
          AND EXISTS (SELECT FROM ledger_dropped_days WHERE day = day_of_jti(b.first_jti));
        -- Last: from here to the commit nobody else can read or write the ledger.
        EXECUTE format('DROP TABLE %I', partition);
        RETURN true;
      END $$`);
  }
}

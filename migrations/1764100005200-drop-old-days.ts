import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Lets a whole day of the ledger go, with its batches, and nothing less; its checkpoints stay. */
export class DropOldDays1764100005200 implements MigrationInterface {
  readonly name = 'DropOldDays1764100005200';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE ledger_dropped_days (
        day              date        NOT NULL,
        tokens           bigint      NOT NULL,
        first_checkpoint bigint,
        last_checkpoint  bigint,
        dropped_at       timestamptz NOT NULL,
        CONSTRAINT ledger_dropped_days_pkey PRIMARY KEY (day),
        CONSTRAINT ledger_dropped_days_checkpoint_check
          CHECK ((first_checkpoint IS NULL) = (last_checkpoint IS NULL))
      )`);
    await runner.query(`
      CREATE TRIGGER ledger_dropped_days_keep
      BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_dropped_days
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE FUNCTION day_of_jti(jti uuid) RETURNS date LANGUAGE sql IMMUTABLE AS $$
        SELECT date '1970-01-01' +
          (('x' || left(replace(jti::text, '-', ''), 12))::bit(48)::bigint / 86400000)::integer
      $$`);

    // A batch may go only after its day.
    await runner.query(`DROP TRIGGER ledger_batches_keep ON ledger_batches`);
    await runner.query(`
      CREATE TRIGGER ledger_batches_keep BEFORE TRUNCATE ON ledger_batches
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE FUNCTION ledger_batches_outlive_their_day() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF EXISTS (SELECT FROM ledger_dropped_days WHERE day = day_of_jti(OLD.first_jti)) THEN
          RETURN OLD;
        END IF;
        RAISE EXCEPTION '% on % is refused: its day is kept', TG_OP, TG_TABLE_NAME
          USING ERRCODE = 'restrict_violation';
      END $$`);
    await runner.query(`
      CREATE TRIGGER ledger_batches_keep_day BEFORE DELETE ON ledger_batches
      FOR EACH ROW EXECUTE FUNCTION ledger_batches_outlive_their_day()`);
    await this.createDrop(runner);
  }

  /** Each chain keeps the last batch of its dropped days: the hash that the next one names. */
  private async createDrop(runner: QueryRunner): Promise<void> {
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

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP FUNCTION drop_issued_tokens_partition(date, timestamptz)`);
    await runner.query(`DROP TRIGGER ledger_batches_keep_day ON ledger_batches`);
    await runner.query(`DROP FUNCTION ledger_batches_outlive_their_day()`);
    await runner.query(`DROP TRIGGER ledger_batches_keep ON ledger_batches`);
    await runner.query(`
      CREATE TRIGGER ledger_batches_keep BEFORE DELETE OR TRUNCATE ON ledger_batches
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    await runner.query(`DROP FUNCTION day_of_jti(uuid)`);
    await runner.query(`DROP TABLE ledger_dropped_days`);
  }
}

import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Signed checkpoints that tie the chains of the ledger together, one after the other. */
export class CreateLedgerCheckpoints1764100005000 implements MigrationInterface {
  readonly name = 'CreateLedgerCheckpoints1764100005000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE ledger_checkpoints (
        number        bigint      NOT NULL,
        previous_hash bytea,
        hash          bytea       NOT NULL,
        batches       integer     NOT NULL,
        tokens        bigint      NOT NULL,
        signed        text        NOT NULL,
        created_at    timestamptz NOT NULL,
        CONSTRAINT ledger_checkpoints_pkey PRIMARY KEY (number),
        CONSTRAINT ledger_checkpoints_previous_hash_check CHECK (
          number >= 1 AND (number = 1) = (previous_hash IS NULL)),
        CONSTRAINT ledger_checkpoints_hash_check CHECK (hash = sha256(convert_to(signed, 'UTF8'))),
        CONSTRAINT ledger_checkpoints_tokens_check CHECK (batches >= 1 AND tokens >= batches)
      )`);
    await runner.query(`
      CREATE TRIGGER ledger_checkpoints_keep
      BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_checkpoints
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE FUNCTION ledger_checkpoints_follow() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF NEW.previous_hash IS DISTINCT FROM
          (SELECT hash FROM ledger_checkpoints WHERE number = NEW.number - 1)
        THEN
          RAISE EXCEPTION 'a checkpoint must follow the one before'
            USING ERRCODE = 'integrity_constraint_violation',
                  CONSTRAINT = 'ledger_checkpoints_follow_check';
        END IF;
        RETURN NEW;
      END $$`);
    await runner.query(`
      CREATE TRIGGER ledger_checkpoints_follow BEFORE INSERT ON ledger_checkpoints
      FOR EACH ROW EXECUTE FUNCTION ledger_checkpoints_follow()`);

    // One index for both questions: what a checkpoint covers, and what none covers yet.
    await runner.query(`
      ALTER TABLE ledger_batches
        ADD COLUMN checkpoint_number bigint,
        ADD CONSTRAINT ledger_batches_checkpoint_number_fkey
          FOREIGN KEY (checkpoint_number) REFERENCES ledger_checkpoints (number)`);
    await runner.query(`
      CREATE INDEX ledger_batches_checkpoint_number_idx
      ON ledger_batches (checkpoint_number, chain_id, number)`);
    // A batch comes under a checkpoint, once and for good; nothing else of it changes.
    await runner.query(`
      CREATE TRIGGER ledger_batches_unchanged BEFORE UPDATE ON ledger_batches
      FOR EACH ROW WHEN (
        OLD.checkpoint_number IS NOT NULL
        OR (to_jsonb(OLD) - 'checkpoint_number') IS DISTINCT FROM
           (to_jsonb(NEW) - 'checkpoint_number'))
      EXECUTE FUNCTION refuse_change()`);
    await runner.query(`
      CREATE TRIGGER ledger_batches_keep BEFORE DELETE OR TRUNCATE ON ledger_batches
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TRIGGER ledger_batches_keep ON ledger_batches`);
    await runner.query(`DROP TRIGGER ledger_batches_unchanged ON ledger_batches`);
    await runner.query(`
      ALTER TABLE ledger_batches
        DROP CONSTRAINT ledger_batches_checkpoint_number_fkey,
        DROP COLUMN checkpoint_number`);
    await runner.query(`DROP TABLE ledger_checkpoints`);
    await runner.query(`DROP FUNCTION ledger_checkpoints_follow()`);
  }
}

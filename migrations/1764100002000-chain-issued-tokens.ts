import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Chains the ledger by hash, in the batches in which it is written, and keeps each instance's last token. */
export class ChainIssuedTokens1764100002000 implements MigrationInterface {
  readonly name = 'ChainIssuedTokens1764100002000';

  async up(runner: QueryRunner): Promise<void> {
    // What of the configuration goes into a token: with a catalog's snapshot it lets an auditor
    // recompute an old token.
    await runner.query(`
      CREATE TABLE policy_snapshots (
        digest            bytea       NOT NULL,
        document          jsonb       NOT NULL,
        first_in_force_at timestamptz NOT NULL,
        CONSTRAINT policy_snapshots_pkey PRIMARY KEY (digest)
      )`);
    await runner.query(`
      CREATE TRIGGER policy_snapshots_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON policy_snapshots
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);

    // A chain belongs to one process, which writes one batch after the other: nobody waits for a
    // number, and the hash covers the rows of its batch and the hash before it.
    await runner.query(`
      CREATE TABLE ledger_batches (
        chain_id      uuid    NOT NULL,
        number        integer NOT NULL,
        previous_hash bytea   NOT NULL,
        hash          bytea   NOT NULL,
        tokens        integer NOT NULL,
        first_jti     uuid    NOT NULL,
        last_jti      uuid    NOT NULL,
        policy_digest bytea   NOT NULL,
        CONSTRAINT ledger_batches_pkey PRIMARY KEY (chain_id, number),
        CONSTRAINT ledger_batches_number_check CHECK (number >= 0),
        CONSTRAINT ledger_batches_hash_check
          CHECK (octet_length(previous_hash) = 32 AND octet_length(hash) = 32),
        CONSTRAINT ledger_batches_tokens_check CHECK (tokens >= 1 AND first_jti <= last_jti)
      )`);

    // The batch is null in rows from before the chain.
    await runner.query(`
      ALTER TABLE issued_tokens
        ADD COLUMN status_index bigint,
        ADD COLUMN chain_id     uuid,
        ADD COLUMN batch_number integer,
        ADD CONSTRAINT issued_tokens_batch_check
          CHECK ((chain_id IS NULL) = (batch_number IS NULL)),
        ADD CONSTRAINT issued_tokens_status_index_check CHECK (status_index >= 0)`);
    await runner.query(`CREATE INDEX issued_tokens_instance_id_idx ON issued_tokens (instance_id)`);
    // Small: a status list reads it, and a listing of what was revoked.
    await runner.query(`
      CREATE INDEX issued_tokens_revoked_idx ON issued_tokens (status_index)
      WHERE revoked_at IS NOT NULL`);
    await runner.query(`
      CREATE TRIGGER issued_tokens_keep BEFORE DELETE OR TRUNCATE ON issued_tokens
      FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`);
    // A token can be revoked, once and for good; nothing else of it changes.
    await runner.query(`
      CREATE TRIGGER issued_tokens_unchanged BEFORE UPDATE ON issued_tokens
      FOR EACH ROW WHEN (
        OLD.revoked_at IS NOT NULL
        OR (to_jsonb(OLD) - 'revoked_at') IS DISTINCT FROM (to_jsonb(NEW) - 'revoked_at'))
      EXECUTE FUNCTION refuse_change()`);

    // The last token that was handed out. Without an index, so that a sync's update stays in its page.
    await runner.query(`
      ALTER TABLE instances
        ADD COLUMN token_jti              uuid,
        ADD COLUMN token_expires_at       timestamptz,
        ADD COLUMN token_scope_set_digest bytea,
        ADD CONSTRAINT instances_token_check CHECK (
          (token_jti IS NULL) = (token_expires_at IS NULL)
          AND (token_jti IS NULL) = (token_scope_set_digest IS NULL))`);
    await runner.query(`
      UPDATE instances SET token_jti = last.jti, token_expires_at = last.expires_at,
        token_scope_set_digest = last.scope_set_digest
      FROM (
        SELECT DISTINCT ON (instance_id) instance_id, jti, expires_at, scope_set_digest
        FROM issued_tokens ORDER BY instance_id, issued_at DESC
      ) last
      WHERE instances.id = last.instance_id`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE instances
        DROP CONSTRAINT instances_token_check,
        DROP COLUMN token_jti,
        DROP COLUMN token_expires_at,
        DROP COLUMN token_scope_set_digest`);
    await runner.query(`DROP TRIGGER issued_tokens_unchanged ON issued_tokens`);
    await runner.query(`DROP TRIGGER issued_tokens_keep ON issued_tokens`);
    await runner.query(`DROP INDEX issued_tokens_revoked_idx`);
    await runner.query(`DROP INDEX issued_tokens_instance_id_idx`);
    await runner.query(`
      ALTER TABLE issued_tokens
        DROP CONSTRAINT issued_tokens_status_index_check,
        DROP CONSTRAINT issued_tokens_batch_check,
        DROP COLUMN status_index,
        DROP COLUMN chain_id,
        DROP COLUMN batch_number`);
    await runner.query(`DROP TABLE ledger_batches`);
    await runner.query(`DROP TABLE policy_snapshots`);
  }
}

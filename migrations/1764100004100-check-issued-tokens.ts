import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the ledger checks of a batch, in one look: the key, revocations, and what the rows refer to. */
export class CheckIssuedTokens1764100004100 implements MigrationInterface {
  readonly name = 'CheckIssuedTokens1764100004100';

  async up(runner: QueryRunner): Promise<void> {
    // The lock is shared with other batches; whoever changes phases or revokes tokens takes it
    // exclusively, so neither can slip in between these checks and the commit.
    await runner.query(`
      CREATE OR REPLACE FUNCTION issued_tokens_check_insert() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        signing record;
        last_expiry timestamptz;
        revoked text;
      BEGIN
        PERFORM pg_advisory_xact_lock_shared(hashtext('signing_keys.phase'));
        SELECT kid, tokens_expire_by INTO signing FROM signing_keys WHERE phase = 'current';
        IF EXISTS (SELECT FROM inserted WHERE kid IS DISTINCT FROM signing.kid) THEN
          RAISE EXCEPTION 'a token may be signed by the current key only'
            USING ERRCODE = 'integrity_constraint_violation',
                  CONSTRAINT = 'issued_tokens_kid_current_check';
        END IF;

        -- Until when the tokens of the key live: noted on it once a minute of theirs at most.
        SELECT max(expires_at) INTO last_expiry FROM inserted;
        IF signing.tokens_expire_by IS NULL OR signing.tokens_expire_by < last_expiry THEN
          UPDATE signing_keys
          SET tokens_expire_by = date_trunc('minute', last_expiry) + interval '1 minute'
          WHERE kid = signing.kid AND (tokens_expire_by IS NULL OR tokens_expire_by < last_expiry);
        END IF;

        -- Mostly no revocation stands, which one look at each small index tells. The detail names the
        -- tokens, so that the rest of their batch can be written without them.
        IF EXISTS (SELECT FROM service_token_revocations
                   WHERE restored_at IS NULL AND license_id IS NOT NULL)
        OR EXISTS (SELECT FROM service_token_revocations
                   WHERE restored_at IS NULL AND instance_id IS NOT NULL)
        THEN
          SELECT string_agg(jti::text, ' ') INTO revoked FROM inserted
          WHERE (SELECT true FROM service_token_revocations r
                 WHERE r.license_id = inserted.license_id AND r.restored_at IS NULL)
             OR (SELECT true FROM service_token_revocations r
                 WHERE r.instance_id = inserted.instance_id AND r.restored_at IS NULL);
          IF revoked IS NOT NULL THEN
            RAISE EXCEPTION 'the tokens of this license or instance are revoked'
              USING ERRCODE = 'integrity_constraint_violation', DETAIL = revoked,
                    CONSTRAINT = 'issued_tokens_revoked_check';
          END IF;
        END IF;

        IF EXISTS (SELECT FROM inserted WHERE scope_set_digest NOT IN (SELECT digest FROM scope_sets))
        OR EXISTS (SELECT FROM inserted WHERE catalog_digest NOT IN (SELECT digest FROM catalog_snapshots))
        -- A subquery for each row is a look-up in the index; a join may read the whole table.
        OR EXISTS (
          SELECT FROM inserted WHERE license_id IS DISTINCT FROM
            (SELECT license_id FROM instances WHERE instances.id = inserted.instance_id))
        -- No foreign key: its check would lock, and so write, the policy's row with each batch.
        OR EXISTS (
          SELECT FROM ledger_batches
          WHERE (chain_id, number) = (SELECT chain_id, batch_number FROM inserted LIMIT 1)
            AND policy_digest NOT IN (SELECT digest FROM policy_snapshots))
        THEN
          RAISE EXCEPTION 'an issued token must name a known instance, scope set, catalog and policy'
            USING ERRCODE = 'foreign_key_violation',
                  CONSTRAINT = 'issued_tokens_references_check';
        END IF;
        RETURN NULL;
      END $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE OR REPLACE FUNCTION issued_tokens_check_insert() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        PERFORM pg_advisory_xact_lock_shared(hashtext('signing_keys.phase'));
        IF EXISTS (
          SELECT FROM inserted WHERE kid NOT IN (SELECT kid FROM signing_keys WHERE phase = 'current')
        ) THEN
          RAISE EXCEPTION 'a token may be signed by the current key only'
            USING ERRCODE = 'integrity_constraint_violation',
                  CONSTRAINT = 'issued_tokens_kid_current_check';
        END IF;
        IF EXISTS (SELECT FROM inserted WHERE scope_set_digest NOT IN (SELECT digest FROM scope_sets))
        OR EXISTS (SELECT FROM inserted WHERE catalog_digest NOT IN (SELECT digest FROM catalog_snapshots))
        -- A subquery for each row is a look-up in the index; a join may read the whole table.
        OR EXISTS (
          SELECT FROM inserted WHERE license_id IS DISTINCT FROM
            (SELECT license_id FROM instances WHERE instances.id = inserted.instance_id))
        THEN
          RAISE EXCEPTION 'an issued token must name a known instance, scope set and catalog'
            USING ERRCODE = 'foreign_key_violation',
                  CONSTRAINT = 'issued_tokens_references_check';
        END IF;
        RETURN NULL;
      END $$`);
  }
}
